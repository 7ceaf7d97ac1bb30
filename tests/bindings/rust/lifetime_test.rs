//! Objects may be dropped in any order, at any time.

use leoam::{CancelFlag, RequestOptions};
use leoam_conformance::{endless, instance, load, model_or_skip, path_or_skip, question, session};

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
