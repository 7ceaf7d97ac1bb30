//! Objects may be dropped in any order, at any time.

use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;

use leoam::{CancelFlag, Delivery, Event, Flow, Instance, InstanceOptions, LogLevel, Model};
use leoam::{Request, RequestOptions, Session};
use leoam_conformance::{
    endless, instance, instance_of, load, model_or_skip, path_or_skip, question, session,
};

#[test]
fn children_keep_their_parents() {
    let path = path_or_skip!();
    let (mut session, prompt) = {
        let instance = instance();
        let model = load(&instance, &path);
        (session(&model), question(&model, "How many days are in a week?"))
    };
    let mut request = session.submit(RequestOptions { prompt, ..Default::default() }).unwrap();
    drop(session);
    assert!(!request.text().unwrap().is_empty());
}

#[test]
fn everything_may_be_dropped_while_a_request_runs() {
    let path = path_or_skip!();
    for order in 0..3 {
        let instance = instance();
        let flag = CancelFlag::new(&instance).unwrap();
        let model = load(&instance, &path);
        let mut session = session(&model);
        let mut request = session.submit(endless(&model)).unwrap();
        request.next_event().unwrap();
        match order {
            0 => drop((instance, model, session, request, flag)),
            1 => drop((request, session, model, instance, flag)),
            _ => drop((session, flag, request, instance, model)),
        }
    }
}

type Everything = (Instance, Model, Session, Request);

#[test]
fn everything_may_be_dropped_inside_a_callback() {
    let path = path_or_skip!();
    let (log_end, log_ended) = mpsc::channel();
    let log = move |_: LogLevel, text: &str| drop(log_end.send(text.to_string()));
    let instance = instance_of(InstanceOptions { log: Some(Box::new(log)), ..Default::default() });
    let model = load(&instance, &path);
    let mut session = session(&model);
    let slot: Arc<Mutex<Option<Everything>>> = Arc::default();
    let inside = slot.clone();
    let (dropped, was_dropped) = mpsc::channel();
    let deliver = move |_: Event| {
        let everything = inside.lock().unwrap().take();
        if everything.is_some() {
            drop(everything);
            dropped.send(()).unwrap();
        }
        Flow::Continue
    };
    let delivery = Delivery::Callback(Box::new(deliver));
    let request = session.submit(RequestOptions { delivery, ..endless(&model) }).unwrap();
    *slot.lock().unwrap() = Some((instance, model, session, request));
    let patience = Duration::from_secs(60);
    was_dropped.recv_timeout(patience).unwrap();
    // Both closures go: that of the request when its last call has ended, the log with the instance.
    assert_eq!(Err(mpsc::RecvTimeoutError::Disconnected), was_dropped.recv_timeout(patience));
    while log_ended.recv_timeout(patience) != Err(mpsc::RecvTimeoutError::Disconnected) {}
}

#[test]
fn the_library_is_given_back_while_it_is_in_use() {
    let instance = instance();
    let library = instance.library().clone();
    // SAFETY: there are objects, so nothing happens.
    let library = unsafe { library.unload() }.unwrap_err();
    assert!(library.build_info().is_ok());
    assert!(instance.statistics().is_ok());
}

#[test]
fn two_instances_share_nothing() {
    let (first, second) = (instance(), instance());
    first.set_host_kv_budget(64 << 20).unwrap();
    assert_eq!(64 << 20, first.statistics().unwrap().host_kv_budget_bytes);
    assert_ne!(64 << 20, second.statistics().unwrap().host_kv_budget_bytes);
}

#[test]
fn a_flag_serves_many_calls() {
    let model = model_or_skip!();
    let flag = CancelFlag::new(model.instance()).unwrap();
    let options = || leoam::EvaluateOptions { cancel: Some(flag.clone()), ..Default::default() };
    let mut session = session(&model);
    flag.set();
    for _ in 0..2 {
        assert!(session.evaluate(&[1, 2], options()).is_err());
    }
    flag.clear();
    session.evaluate(&[1, 2], options()).unwrap();
}
