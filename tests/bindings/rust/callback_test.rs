//! Closures inside the library: panics, what is allowed, what is dropped where.

use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;

use leoam::{
    Delivery, ErrorClass, EvaluateOptions, Event, FinishReason, Flow, InstanceOptions, LoadOptions, LogLevel,
    Model, Request, RequestOptions, SuspendOptions,
};
use leoam_conformance::{
    endless, expect_class, instance, instance_of, load, long_prompt, model_or_skip, panic_of, path_or_skip,
    question, session,
};

#[test]
fn a_panic_in_a_call_goes_on_in_its_caller() {
    let path = path_or_skip!();
    let instance = instance();
    let options =
        LoadOptions { on_progress: Some(Box::new(|_, _| panic!("while loading"))), ..Default::default() };
    assert_eq!("while loading", panic_of(|| Model::load(&instance, &path, options)));

    let model = load(&instance, &path);
    let mut session = session(&model);
    let tokens = long_prompt(&model, 600);
    let options =
        EvaluateOptions { on_progress: Some(Box::new(|_, _| panic!("while reading"))), ..Default::default() };
    assert_eq!("while reading", panic_of(|| session.evaluate(&tokens, options)));
    let options =
        EvaluateOptions { on_logits: Some(Box::new(|_, _| panic!("with logits"))), ..Default::default() };
    assert_eq!("with logits", panic_of(|| session.evaluate(&tokens[..4], options)));

    // Nothing is the worse for it.
    session.truncate(0).unwrap();
    session.evaluate(&tokens[..8], Default::default()).unwrap();
    let options = SuspendOptions {
        on_progress: Some(Box::new(|_, _| panic!("while suspending"))),
        ..Default::default()
    };
    assert_eq!("while suspending", panic_of(|| session.suspend(options)));
    session.evaluate(&tokens[..8], Default::default()).unwrap();
    assert_eq!(16, session.n_tokens().unwrap());
}

#[test]
fn a_panic_in_an_event_ends_the_request_and_goes_on_where_its_end_is_asked_for() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let delivery = Delivery::Callback(Box::new(|event| match event {
        Event::Token { .. } => panic!("with a token"),
        _ => Flow::Continue,
    }));
    let request = session.submit(RequestOptions { delivery, ..endless(&model) }).unwrap();
    assert!(request.wait(None).unwrap());
    assert_eq!("with a token", panic_of(|| request.finish_reason()));
    assert_eq!(Some(FinishReason::Cancelled), request.finish_reason().unwrap());
    drop(request);
    session.truncate(0).unwrap();
}

#[test]
fn a_panic_with_logits_goes_on_in_the_one_who_takes_events() {
    let model = model_or_skip!();
    for delivery in [Delivery::Poll, Delivery::Step] {
        let mut session = session(&model);
        let on_logits: leoam::ChangeLogits = Box::new(|_| panic!("with logits"));
        let options = RequestOptions { delivery, on_logits: Some(on_logits), ..endless(&model) };
        let mut request = session.submit(options).unwrap();
        assert_eq!("with logits", panic_of(|| request.text()));
        drop(request);
        session.truncate(0).unwrap();
    }
}

/// Panics when it is dropped, where another panic has long begun.
struct Grudge;

impl Drop for Grudge {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn a_log_may_panic_and_so_may_what_it_panics_with() {
    let path = path_or_skip!();
    let n_messages = Arc::new(AtomicUsize::new(0));
    let counted = n_messages.clone();
    let log = move |_: LogLevel, _: &str| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic_any(Grudge);
    };
    let instance = instance_of(InstanceOptions {
        log: Some(Box::new(log)),
        log_level: Some(LogLevel::Debug),
        ..Default::default()
    });
    drop(load(&instance, &path));
    assert!(n_messages.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_log_gets_messages_until_the_instance_is_detached() {
    let path = path_or_skip!();
    let (sender, receiver) = mpsc::channel();
    // The receiver is there as long as the test.
    let log = move |level: LogLevel, text: &str| drop(sender.send((level, text.to_string())));
    let options =
        InstanceOptions { log: Some(Box::new(log)), log_level: Some(LogLevel::Debug), ..Default::default() };
    let instance = instance_of(options);
    let model = load(&instance, &path);
    let messages: Vec<_> = receiver.try_iter().collect();
    assert!(!messages.is_empty());
    assert!(messages.iter().all(|(level, text)| !matches!(level, LogLevel::Other(_)) && !text.is_empty()));
    instance.detach().unwrap();
    while receiver.try_recv().is_ok() {}
    drop(model);
    drop(load(&instance, &path));
    assert!(receiver.try_recv().is_err());
    drop(instance);
    // With the instance its log is dropped, and the only sender with it.
    assert_eq!(Err(mpsc::TryRecvError::Disconnected), receiver.try_recv());
}

#[test]
fn a_request_may_be_dropped_inside_its_own_callback() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let slot: Arc<Mutex<Option<Request>>> = Arc::default();
    let (sender, receiver) = mpsc::channel();
    let inside = slot.clone();
    let deliver = move |_: Event| {
        let request = inside.lock().unwrap().take();
        if request.is_some() {
            drop(request);
            sender.send(()).unwrap();
        }
        Flow::Continue
    };
    let delivery = Delivery::Callback(Box::new(deliver));
    let request = session.submit(RequestOptions { delivery, ..endless(&model) }).unwrap();
    *slot.lock().unwrap() = Some(request);
    receiver.recv_timeout(Duration::from_secs(60)).unwrap();
    // The closure goes with its sender, once the callback has ended.
    assert_eq!(Err(mpsc::RecvTimeoutError::Disconnected), receiver.recv_timeout(Duration::from_secs(60)));
    // The cancelled request ends soon.
    for _ in 0..600 {
        match session.truncate(0) {
            Err(error) if error.class() == ErrorClass::Busy => std::thread::sleep(Duration::from_millis(100)),
            result => return result.unwrap(),
        }
    }
    panic!("the session stays busy");
}

#[test]
fn inside_a_callback_getters_work_and_what_computes_is_refused() {
    let model = model_or_skip!();
    let (sender, receiver) = mpsc::channel();
    let inside = model.clone();
    let mut told = false;
    let deliver = move |_: Event| {
        if !told {
            told = true;
            let refused =
                Model::load(inside.instance(), "x.gguf", LoadOptions::default()).unwrap_err().class();
            let allowed = inside.tokenize("🙂", Default::default()).is_ok() && inside.info().is_ok();
            sender.send((refused, allowed)).unwrap();
        }
        Flow::Stop
    };
    let mut session = session(&model);
    let options = RequestOptions {
        prompt: question(&model, "Hello"),
        delivery: Delivery::Callback(Box::new(deliver)),
        ..Default::default()
    };
    let request = session.submit(options).unwrap();
    assert!(request.wait(None).unwrap());
    assert_eq!(Some(FinishReason::Cancelled), request.finish_reason().unwrap());
    assert_eq!((ErrorClass::Busy, true), receiver.recv().unwrap());
}

#[test]
fn no_callback_runs_once_its_request_is_dropped() {
    let model = model_or_skip!();
    let mut session = session(&model);
    for _ in 0..5 {
        let gone = Arc::new(AtomicBool::new(false));
        let (seen, late) = (gone.clone(), Arc::new(AtomicBool::new(false)));
        let noted = late.clone();
        let deliver = move |_: Event| {
            std::thread::sleep(Duration::from_millis(3));
            noted.fetch_or(seen.load(Ordering::SeqCst), Ordering::SeqCst);
            Flow::Continue
        };
        let delivery = Delivery::Callback(Box::new(deliver));
        let request = session.submit(RequestOptions { delivery, ..endless(&model) }).unwrap();
        std::thread::sleep(Duration::from_millis(60));
        drop(request);
        gone.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        assert!(!late.load(Ordering::SeqCst));
        // The closure is gone too, and the session is free.
        assert_eq!(1, Arc::strong_count(&gone));
        session.truncate(0).unwrap();
    }
}

#[test]
fn errors_of_the_class_that_a_callback_asked_for() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let tokens = long_prompt(&model, 600);
    let options = EvaluateOptions { on_progress: Some(Box::new(|_, _| Flow::Stop)), ..Default::default() };
    expect_class(ErrorClass::Cancelled, session.evaluate(&tokens, options));
}
