//! Misuse: each mistake has a class and a message, and nothing is the worse for it.

use std::fs;
use std::ptr;

use leoam::{
    ErrorClass, InstanceOptions, KvType, LoadOptions, LogLevel, Model, RequestOptions, Session,
    SessionOptions,
};
use leoam_conformance::{expect_class, instance, library, model_or_skip, path_or_skip, session, Folder};

#[test]
fn a_missing_model_is_not_found() {
    let error =
        expect_class(ErrorClass::NotFound, Model::load(&instance(), "/absent/模型.gguf", Default::default()));
    assert!(error.message().contains("/absent/模型.gguf"), "{error}");
    assert!(error.to_string().starts_with("not_found: "));
    expect_class(
        ErrorClass::NotFound,
        Model::plan(&instance(), "/absent", &Default::default(), &Default::default()),
    );
    expect_class(ErrorClass::InvalidArgument, Model::load(&instance(), "", Default::default()));
}

#[test]
fn a_damaged_model_is_corrupt() {
    let path = path_or_skip!();
    let folder = Folder::new();
    let cut = folder.path("cut.gguf");
    let bytes = fs::read(path).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 100]).unwrap();
    expect_class(ErrorClass::Corrupt, Model::load(&instance(), &cut, Default::default()));
    fs::write(&cut, b"not a model, and long enough to be looked at").unwrap();
    expect_class(ErrorClass::Corrupt, Model::load(&instance(), &cut, Default::default()));
}

#[test]
fn a_path_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::OsStr::from_bytes(b"/absent/\xff\x00.gguf");
    assert!(Model::load(&instance(), path, LoadOptions::default()).is_err());
    let path = std::ffi::OsStr::from_bytes(b"/absent/\xff.gguf");
    assert!(Model::load(&instance(), path, LoadOptions::default()).is_err());
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let model = model_or_skip!();
    let refused = |options: SessionOptions, name: &str| {
        let error = Session::new(&model, &options).unwrap_err();
        assert!(matches!(error.class(), ErrorClass::InvalidArgument | ErrorClass::Unsupported), "{error}");
        assert!(error.message().contains(name), "{error}");
    };
    refused(SessionOptions { page_tokens: 17, ..Default::default() }, "page_tokens");
    refused(SessionOptions { policy: "best🙂".into(), ..Default::default() }, "policy");
    refused(SessionOptions { importance: 2.0, ..Default::default() }, "importance");
    // A value of a later library is a number like any other.
    refused(SessionOptions { kv_type: KvType::Other(99), ..Default::default() }, "kv_type");

    let refused =
        |options: InstanceOptions| leoam::Instance::new(&library(), options).err().map(|error| error.class());
    assert_eq!(
        Some(ErrorClass::InvalidArgument),
        refused(InstanceOptions { cpu_level: "z80".into(), ..Default::default() })
    );
    let level = Some(LogLevel::Other(77));
    assert_eq!(
        Some(ErrorClass::InvalidArgument),
        refused(InstanceOptions { log: Some(Box::new(|_, _| ())), log_level: level, ..Default::default() })
    );
    assert_eq!(
        Some(ErrorClass::InvalidArgument),
        refused(InstanceOptions { state_folder: Some("relative".into()), ..Default::default() })
    );
}

#[test]
fn a_session_refuses_what_it_cannot_do() {
    let model = model_or_skip!();
    let options = SessionOptions { context_tokens: 64, ..Default::default() };
    let mut session = Session::new(&model, &options).unwrap();
    expect_class(ErrorClass::InvalidArgument, session.logits());
    expect_class(ErrorClass::InvalidArgument, session.evaluate(&[-1], Default::default()));
    expect_class(ErrorClass::InvalidArgument, session.evaluate(&[1; 65], Default::default()));
    expect_class(ErrorClass::InvalidArgument, session.truncate(1));
    expect_class(ErrorClass::InvalidArgument, session.tokens(0..1));
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = 5..2;
    expect_class(ErrorClass::InvalidArgument, session.tokens(reversed));
    expect_class(ErrorClass::InvalidArgument, session.tokens(0..u64::MAX));
    let submit = |session: &mut Session, options: RequestOptions| session.submit(options).map(drop);
    let prompt = vec![1, 2, 3];
    expect_class(ErrorClass::InvalidArgument, submit(&mut session, RequestOptions::default()));
    let options = RequestOptions { prompt: vec![1; 65], ..Default::default() };
    expect_class(ErrorClass::InvalidArgument, submit(&mut session, options));
    let options = RequestOptions { prompt: vec![i32::MAX], ..Default::default() };
    expect_class(ErrorClass::InvalidArgument, submit(&mut session, options));
    let options = RequestOptions { prompt: prompt.clone(), stop: vec![String::new()], ..Default::default() };
    expect_class(ErrorClass::InvalidArgument, submit(&mut session, options));
    let mut options = RequestOptions { prompt: prompt.clone(), ..Default::default() };
    options.sampler.temperature = -1.0;
    expect_class(ErrorClass::InvalidArgument, submit(&mut session, options));
    // After all that it works.
    let options = RequestOptions { prompt, max_tokens: 2, ..Default::default() };
    session.submit(options).unwrap().text().unwrap();
}

#[test]
fn handles_that_are_none_are_refused() {
    // The safe interface cannot say this: objects end when they are dropped.
    let model = model_or_skip!();
    let session = session(&model);
    drop(session);
    let library = leoam_sys::Library::load().unwrap();
    let api = library.api();
    let mut error = leoam_sys::leoam_error::default();
    let mut info = leoam_sys::leoam_session_info::default();
    for number in [0_usize, 1, 42, usize::MAX] {
        // SAFETY: any number may be given as a handle; the structs are initialised.
        let code = unsafe { (api.session_get_info)(number as *mut _, &mut info, &mut error) };
        assert_eq!(leoam_sys::LEOAM_ERROR_INVALID_HANDLE, code);
        assert_eq!(code, error.code);
    }
    // SAFETY: a struct that was not initialised is an error too.
    let code = unsafe { (api.get_build_info)(ptr::null_mut(), &mut error) };
    assert_eq!(leoam_sys::LEOAM_ERROR_INVALID_ARGUMENT, code);
    // SAFETY: any number may be given as a code; the name lives as long as the library.
    let name = unsafe { std::ffi::CStr::from_ptr((api.error_name)(leoam_sys::LEOAM_ERROR_NO_SPACE)) };
    assert_eq!("no_space", name.to_str().unwrap());
}

#[test]
fn names_of_classes_are_those_of_the_library() {
    let library = leoam_sys::Library::load().unwrap();
    for class in [
        (leoam_sys::LEOAM_ERROR_INVALID_ARGUMENT, ErrorClass::InvalidArgument),
        (leoam_sys::LEOAM_ERROR_INVALID_HANDLE, ErrorClass::InvalidHandle),
        (leoam_sys::LEOAM_ERROR_NOT_FOUND, ErrorClass::NotFound),
        (leoam_sys::LEOAM_ERROR_UNSUPPORTED, ErrorClass::Unsupported),
        (leoam_sys::LEOAM_ERROR_CORRUPT, ErrorClass::Corrupt),
        (leoam_sys::LEOAM_ERROR_OUT_OF_MEMORY, ErrorClass::OutOfMemory),
        (leoam_sys::LEOAM_ERROR_NO_SPACE, ErrorClass::NoSpace),
        (leoam_sys::LEOAM_ERROR_IO, ErrorClass::Io),
        (leoam_sys::LEOAM_ERROR_BUSY, ErrorClass::Busy),
        (leoam_sys::LEOAM_ERROR_CANCELLED, ErrorClass::Cancelled),
        (leoam_sys::LEOAM_ERROR_DEVICE_LOST, ErrorClass::DeviceLost),
        (leoam_sys::LEOAM_ERROR_VERSION, ErrorClass::Version),
        (leoam_sys::LEOAM_ERROR_INTERNAL, ErrorClass::Internal),
        (1000, ErrorClass::Unknown(1000)),
    ] {
        // SAFETY: any number may be given as a code; the name lives as long as the library.
        let name = unsafe { std::ffi::CStr::from_ptr((library.api().error_name)(class.0)) };
        assert_eq!(name.to_str().unwrap(), class.1.name());
    }
}
