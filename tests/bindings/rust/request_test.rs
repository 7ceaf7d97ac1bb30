//! Generations: the ways to receive tokens, and to stop.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use leoam::{Delivery, ErrorClass, Event, FinishReason, Flow, RequestOptions, SamplerOptions, SaveOptions};
use leoam_conformance::{
    endless, expect_class, expect_within, long_prompt, model_or_skip, question, session,
};

#[test]
fn a_model_answers_a_question() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let prompt = question(&model, "How many days are in a week?");
    let n_prompt = prompt.len() as u64;
    let mut request = session.submit(RequestOptions { prompt, ..Default::default() }).unwrap();
    let text = request.text().unwrap();
    assert!(text.contains('7') || text.contains("seven"), "{text}");
    assert_eq!(Some(FinishReason::Stop), request.finish_reason().unwrap());
    let statistics = request.statistics().unwrap();
    assert_eq!(n_prompt, statistics.prompt_tokens);
    assert!(statistics.generated_tokens > 3 && statistics.time_to_first_token_us > 0);
    drop(request);
    assert!(session.n_tokens().unwrap() > n_prompt);
}

#[test]
fn the_three_deliveries_give_the_same() {
    let model = model_or_skip!();
    let options = |delivery| RequestOptions {
        prompt: question(&model, "How many days are in a week?"),
        max_tokens: 12,
        delivery,
        ..Default::default()
    };

    let mut polled = session(&model);
    let mut request = polled.submit(options(Delivery::Poll)).unwrap();
    let mut events = Vec::new();
    for event in &mut request {
        events.push(event.unwrap());
    }
    assert!(request.next_event().unwrap().is_none(), "there is nothing behind the last event");
    assert!(matches!(events.last(), Some(Event::Finished { .. })));
    assert!(events.iter().any(|event| matches!(event, Event::Prefill { done_tokens, total_tokens, .. }
        if done_tokens == total_tokens)));
    let tokens = |events: &[Event]| -> Vec<i32> {
        let token = |event: &Event| match event {
            Event::Token { token, .. } => Some(*token),
            _ => None,
        };
        events.iter().filter_map(token).collect()
    };
    let text: String = events.iter().map(Event::text).collect();
    assert!(!text.is_empty());

    let mut stepped = session(&model);
    let mut request = stepped.submit(options(Delivery::Step)).unwrap();
    expect_class(ErrorClass::InvalidArgument, request.event_fd());
    let mut taken = Vec::new();
    let mut n_steps = 0;
    while !request.step(Duration::from_millis(5)).unwrap() {
        n_steps += 1;
        while let Some(event) = request.poll().unwrap() {
            taken.push(event);
        }
    }
    taken.extend(request.events().map(Result::unwrap));
    assert!(n_steps > 1);
    // A stepped prompt is read in smaller pieces, which round in another way.
    assert_eq!(text, taken.iter().map(Event::text).collect::<String>());

    let (sender, receiver) = mpsc::channel();
    let deliver = move |event| match sender.send(event) {
        Ok(()) => Flow::Continue,
        Err(_) => Flow::Stop,
    };
    let mut called = session(&model);
    let mut request = called.submit(options(Delivery::Callback(Box::new(deliver)))).unwrap();
    assert!(request.wait(None).unwrap());
    expect_class(ErrorClass::InvalidArgument, request.poll());
    drop(request);
    let delivered: Vec<Event> = receiver.iter().collect();
    assert_eq!(tokens(&events), tokens(&delivered));
    assert_eq!(text, delivered.iter().map(Event::text).collect::<String>());
}

#[test]
fn stop_strings_and_lengths_end_a_generation() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let prompt = question(&model, "How many days are in a week?");
    let options = RequestOptions { prompt: prompt.clone(), stop: vec!["days".into()], ..Default::default() };
    let mut request = session.submit(options).unwrap();
    assert!(!request.text().unwrap().contains("days"));
    assert_eq!(Some(FinishReason::Stop), request.finish_reason().unwrap());
    drop(request);

    session.truncate(0).unwrap();
    let options = RequestOptions { prompt, prefill_only: true, max_tokens: 9, ..Default::default() };
    let mut request = session.submit(options).unwrap();
    assert_eq!("", request.text().unwrap());
    drop(request);
    // Goes on from the logits that the session has.
    let mut request = session.submit(RequestOptions { max_tokens: 2, ..Default::default() }).unwrap();
    assert_eq!(2, request.events().filter(|event| matches!(event, Ok(Event::Token { .. }))).count());
    assert_eq!(Some(FinishReason::Length), request.finish_reason().unwrap());
}

#[test]
fn the_same_seed_draws_the_same() {
    let model = model_or_skip!();
    let draw = |seed| {
        let sampler = SamplerOptions { temperature: 1.2, top_k: 50, top_p: 0.95, seed, ..Default::default() };
        let options = RequestOptions {
            prompt: question(&model, "Invent a name."),
            max_tokens: 12,
            sampler,
            ignore_end: true,
            ..Default::default()
        };
        session(&model).submit(options).unwrap().text().unwrap()
    };
    let first = draw(1);
    assert_eq!(first, draw(1));
    assert_ne!(first, draw(2));
}

#[test]
fn a_cancelled_request_ends_within_100_ms() {
    let model = model_or_skip!();
    let mut session = session(&model);
    // In the middle of a prompt, and in the middle of an answer.
    for prompt in [long_prompt(&model, 1500), question(&model, "Tell me a long story.")] {
        expect_within(Duration::from_millis(100), || {
            session.truncate(0).unwrap();
            let options = RequestOptions { prompt: prompt.clone(), ..endless(&model) };
            let request = session.submit(options).unwrap();
            thread::sleep(Duration::from_millis(200));
            assert_eq!(None, request.finish_reason().unwrap());
            let begin = Instant::now();
            request.cancel();
            assert!(request.wait(None).unwrap());
            let took = begin.elapsed();
            assert_eq!(Some(FinishReason::Cancelled), request.finish_reason().unwrap());
            took
        });
    }
    // The session is as good as before.
    let options = RequestOptions { prompt: question(&model, "Hello"), max_tokens: 2, ..Default::default() };
    session.submit(options).unwrap().text().unwrap();
}

#[test]
fn another_thread_may_cancel_while_events_are_taken() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let mut request = session.submit(endless(&model)).unwrap();
    let canceller = request.canceller();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        canceller.cancel();
        canceller
    });
    let last = request.events().last().unwrap().unwrap();
    assert!(matches!(last, Event::Finished { reason: FinishReason::Cancelled, .. }), "{last:?}");
    let canceller = stopper.join().unwrap();
    drop(request);
    // Its request is gone.
    canceller.cancel();
}

#[test]
fn waiting_has_an_end() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let mut request = session.submit(endless(&model)).unwrap();
    assert!(!request.wait(Some(Duration::from_millis(20))).unwrap());
    assert!(!request.wait(Some(Duration::ZERO)).unwrap());
    assert_eq!(None, request.finish_reason().unwrap());
    request.detach().unwrap();
    assert!(request.wait(Some(Duration::from_secs(60))).unwrap());
    assert!(request.event_fd().is_ok());
    // What had come before is still there.
    assert!(request.events().all(|event| event.is_ok()));
}

#[test]
fn a_session_is_busy_while_its_request_runs() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let request = session.submit(endless(&model)).unwrap();
    expect_class(ErrorClass::Busy, session.submit(endless(&model)));
    expect_class(ErrorClass::Busy, session.evaluate(&[1], Default::default()));
    expect_class(ErrorClass::Busy, session.truncate(0));
    expect_class(ErrorClass::Busy, session.fork());
    let options = SaveOptions { path: Some("/absent/file".into()), plaintext: true, ..Default::default() };
    expect_class(ErrorClass::Busy, session.save(options));
    expect_class(ErrorClass::Busy, session.suspend(Default::default()));
    assert!(session.info().is_ok());
    drop(request);
    session.truncate(0).unwrap();
}
