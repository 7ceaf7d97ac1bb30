//! Threads: a model is shared, a session moves, errors belong to their call.

use std::thread;

use leoam::{ErrorClass, RequestOptions, Session};
use leoam_conformance::{expect_class, model_or_skip, question, session};

#[test]
fn two_threads_use_one_model() {
    let model = model_or_skip!();
    let answer = |mut session: Session, text: &str| {
        let options =
            RequestOptions { prompt: question(session.model(), text), max_tokens: 10, ..Default::default() };
        let mut request = session.submit(options)?;
        request.text()
    };
    let alone: Vec<String> =
        ["Hello", "What is rain?"].iter().map(|text| answer(session(&model), text).unwrap()).collect();
    let together: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = ["Hello", "What is rain?"]
            .iter()
            .map(|text| {
                // Made here, used there.
                let session = session(&model);
                scope.spawn(move || answer(session, text).unwrap())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}

#[test]
fn an_error_is_that_of_its_own_call() {
    let model = model_or_skip!();
    thread::scope(|scope| {
        for token in [-1, -2] {
            let model = &model;
            scope.spawn(move || {
                for _ in 0..500 {
                    let error = expect_class(ErrorClass::InvalidArgument, model.token(token));
                    assert!(error.message().contains(&token.to_string()), "{error}");
                    assert!(model.token(5).is_ok());
                }
            });
        }
    });
}

#[test]
fn figures_may_be_read_while_a_request_runs() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let options = RequestOptions {
        prompt: question(&model, "Count to ten."),
        max_tokens: 20,
        ignore_end: true,
        ..Default::default()
    };
    let mut request = session.submit(options).unwrap();
    let watched = model.instance().clone();
    let watcher = thread::spawn(move || {
        for _ in 0..200 {
            assert!(watched.statistics().unwrap().host_kv_bytes > 0);
        }
    });
    while let Some(_event) = request.next_event().unwrap() {
        assert!(request.statistics().unwrap().generated_tokens <= 20);
        assert!(session.info().unwrap().n_vocab > 0);
    }
    watcher.join().unwrap();
}
