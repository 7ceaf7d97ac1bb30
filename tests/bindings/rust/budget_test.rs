//! Budgets that change while requests run, statistics, diagnosis.

use leoam::{
    BudgetOptions, CancelFlag, ErrorClass, Flow, InstanceOptions, KvType, RequestOptions, Session,
    SessionOptions, SuspendOptions,
};
use leoam_conformance::{
    expect_class, instance, instance_of, load, long_prompt, path_or_skip, session, Folder,
};

#[test]
fn a_budget_that_shrinks_and_grows_while_a_request_runs_changes_no_answer() {
    let path = path_or_skip!();
    let folder = Folder::new();
    let options = InstanceOptions {
        state_folder: Some(folder.path("state")),
        host_kv_budget_bytes: 256 << 20,
        ..Default::default()
    };
    let instance = instance_of(options);
    let model = load(&instance, &path);
    let options = || RequestOptions {
        prompt: long_prompt(&model, 450),
        max_tokens: 16,
        ignore_end: true,
        ..Default::default()
    };
    let expected = session(&model).submit(options()).unwrap().text().unwrap();

    let mut session = session(&model);
    let mut request = session.submit(options()).unwrap();
    let mut text = String::new();
    for (at, event) in request.events().enumerate() {
        text += event.unwrap().text();
        // 450 tokens are 10 MB of KV.
        match at {
            4 => instance.set_host_kv_budget(8 << 20).unwrap(),
            12 => instance.set_host_kv_budget(256 << 20).unwrap(),
            _ => (),
        }
    }
    assert_eq!(expected, text);
    let statistics = instance.statistics().unwrap();
    assert!(statistics.disk_written_bytes > 0 && statistics.n_steps > 16);
    assert_eq!(256 << 20, statistics.host_kv_budget_bytes);
}

#[test]
fn a_shrink_reports_progress_and_can_be_stopped() {
    let path = path_or_skip!();
    let instance = instance();
    let model = load(&instance, &path);
    let options = SessionOptions { kv_type: KvType::F32, ..Default::default() };
    let mut session = Session::new(&model, &options).unwrap();
    session.evaluate(&long_prompt(&model, 600), Default::default()).unwrap();
    let before = instance.statistics().unwrap().host_kv_budget_bytes;

    let options = BudgetOptions { on_progress: Some(Box::new(|_, _| Flow::Stop)), ..Default::default() };
    expect_class(ErrorClass::Cancelled, instance.change_host_kv_budget(8 << 20, options));
    assert_eq!(before, instance.statistics().unwrap().host_kv_budget_bytes);
    let cancel = CancelFlag::new(&instance).unwrap();
    cancel.set();
    let options = BudgetOptions { cancel: Some(cancel), ..Default::default() };
    expect_class(ErrorClass::Cancelled, instance.change_host_kv_budget(8 << 20, options));

    let mut reported = Vec::new();
    let options = BudgetOptions {
        on_progress: Some(Box::new(|done, total| {
            reported.push((done, total));
            Flow::Continue
        })),
        ..Default::default()
    };
    instance.change_host_kv_budget(8 << 20, options).unwrap();
    assert!(!reported.is_empty());
    assert!(instance.statistics().unwrap().host_kv_bytes <= 8 << 20);
}

#[test]
fn what_does_not_fit_says_what_it_needs() {
    let path = path_or_skip!();
    let instance = instance();
    let model = load(&instance, &path);
    let mut session = session(&model);
    let tokens = long_prompt(&model, 400);
    session.evaluate(&tokens[..200], Default::default()).unwrap();

    let error = expect_class(ErrorClass::NoSpace, instance.set_host_kv_budget(1000));
    assert!(error.needed_bytes() > 1000, "{error}");
    assert_eq!(1000, error.available_bytes());

    instance.set_disk_write_cap(1).unwrap();
    let error = expect_class(ErrorClass::NoSpace, session.suspend(SuspendOptions::default()));
    assert!(error.needed_bytes() > error.available_bytes(), "{error}");
    instance.set_disk_write_cap(u64::MAX).unwrap();
    instance.set_disk_kv_budget(1).unwrap();
    expect_class(ErrorClass::NoSpace, session.suspend(SuspendOptions::default()));
    // The session is as good as before.
    session.evaluate(&tokens[200..], Default::default()).unwrap();

    let error =
        expect_class(ErrorClass::Unsupported, instance.change_device_kv_budget(1 << 20, Default::default()));
    assert_eq!(0, error.needed_bytes());
}

#[test]
fn a_diagnosis_has_facts() {
    let instance =
        instance_of(InstanceOptions { no_io_uring: true, plaintext_scratch: true, ..Default::default() });
    let facts = instance.describe().unwrap();
    let value = |key: &str| facts.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    assert!(value("cpu.chosen").is_some());
    assert!(value("io.io_uring").unwrap().starts_with("no: "));
    assert_eq!(facts, instance.describe().unwrap());
    let info = instance.library().build_info().unwrap();
    let (major, minor, patch) = instance.library().version();
    assert_eq!(format!("{major}.{minor}.{patch}"), info.version);
    assert!(info.api_version >= leoam_sys::LEOAM_API_VERSION && info.file_path.contains("libleoam"));
}

#[test]
fn a_policy_attends_to_a_part() {
    let path = path_or_skip!();
    let instance = instance();
    let model = load(&instance, &path);
    let options = SessionOptions { policy: "leoam".into(), budget_tokens: 64, ..Default::default() };
    let mut session = Session::new(&model, &options).unwrap();
    let options = RequestOptions {
        prompt: long_prompt(&model, 400),
        max_tokens: 4,
        ignore_end: true,
        ..Default::default()
    };
    session.submit(options).unwrap().text().unwrap();
    let info = session.info().unwrap();
    assert!(info.n_selections > 0 && info.n_attended_tokens < info.n_candidate_tokens);
    assert!(session.attention().unwrap().iter().any(|head| head.attended_share < 1.0));
}
