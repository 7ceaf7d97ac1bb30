//! Sessions in files: saved, opened, forked, suspended; keys; damage.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use leoam::{
    ErrorClass, FileOptions, Flow, Key, KvType, Model, SaveOptions, Session, SessionFile, SessionKey,
    SessionOptions,
};
use leoam_conformance::{expect_class, long_prompt, model_or_skip, panic_of, session, Folder};

fn key(first: u8) -> Key {
    Key::fill(|bytes| bytes.iter_mut().zip(first..).for_each(|(byte, value)| *byte = value))
}

fn saved(model: &Model, path: &Path, key: &Key) -> (Vec<i32>, Vec<f32>) {
    let tokens = long_prompt(model, 150);
    let mut session = session(model);
    session.evaluate(&tokens, Default::default()).unwrap();
    session
        .save(SaveOptions { path: Some(path.into()), key: SessionKey::Key(key), ..Default::default() })
        .unwrap();
    session.evaluate(&tokens[..1], Default::default()).unwrap();
    (tokens, session.logits().unwrap())
}

#[test]
fn a_saved_session_goes_on_where_it_was() {
    let model = model_or_skip!();
    let folder = Folder::new();
    let path = folder.path("session");
    let key = key(1);
    let (tokens, logits) = saved(&model, &path, &key);
    assert_eq!(0o600, fs::metadata(&path).unwrap().permissions().mode() & 0o777);

    let open = |key| Session::open(&model, &path, FileOptions::with_key(key), &SessionOptions::default());
    let mut session = open(SessionKey::Key(&key)).unwrap();
    assert_eq!(150, session.n_tokens().unwrap());
    assert!(session.info().unwrap().has_file());
    session.evaluate(&tokens[..1], Default::default()).unwrap();
    assert_eq!(logits, session.logits().unwrap());
    expect_class(ErrorClass::Busy, open(SessionKey::Key(&key)));

    // Saved again: into the same file, without being asked for the key.
    session.save(SaveOptions::default()).unwrap();
    let info = session.file_info().unwrap().unwrap();
    assert_eq!((151, 2), (info.n_tokens, info.generation));
    drop(session);

    let asked = |bytes: &mut [u8; leoam::KEY_BYTES]| {
        bytes.copy_from_slice(key.bytes());
        Flow::Continue
    };
    assert_eq!(151, open(SessionKey::Ask(Box::new(asked))).unwrap().n_tokens().unwrap());
}

#[test]
fn wrong_keys_are_told_apart_from_damage() {
    let model = model_or_skip!();
    let folder = Folder::new();
    let path = folder.path("session");
    saved(&model, &path, &key(1));
    let open = |key| Session::open(&model, &path, FileOptions::with_key(key), &SessionOptions::default());
    let wrong = key(2);
    expect_class(ErrorClass::InvalidArgument, open(SessionKey::Key(&wrong)));
    expect_class(ErrorClass::InvalidArgument, open(SessionKey::None));
    expect_class(ErrorClass::Cancelled, open(SessionKey::Ask(Box::new(|_| Flow::Stop))));
    let panics = SessionKey::Ask(Box::new(|_| panic!("no key")));
    assert_eq!("no key", panic_of(|| open(panics)));
    expect_class(ErrorClass::InvalidArgument, Key::from_slice(&[0; 31]));
    assert_eq!(key(1).bytes(), Key::from_slice(key(1).bytes()).unwrap().bytes());
    assert_eq!("Key", format!("{:?}", key(1)));
}

#[test]
fn saving_wants_a_path_and_a_key_or_the_word_plaintext() {
    let model = model_or_skip!();
    let folder = Folder::new();
    let key = key(1);
    let mut session = session(&model);
    session.evaluate(&[1, 2, 3], Default::default()).unwrap();
    expect_class(ErrorClass::InvalidArgument, session.save(SaveOptions::default()));
    let options = |name: &str| SaveOptions { path: Some(folder.path(name)), ..Default::default() };
    expect_class(ErrorClass::InvalidArgument, session.save(options("a")));
    let both = SaveOptions { key: SessionKey::Key(&key), plaintext: true, ..options("a") };
    expect_class(ErrorClass::InvalidArgument, session.save(both));
    expect_class(ErrorClass::NotFound, session.save(SaveOptions { plaintext: true, ..options("none/a") }));
    let stopped =
        SaveOptions { plaintext: true, on_progress: Some(Box::new(|_, _| Flow::Stop)), ..options("a") };
    expect_class(ErrorClass::Cancelled, session.save(stopped));
    assert!(session.file_info().unwrap().is_none());
    session.save(SaveOptions { plaintext: true, ..options("a") }).unwrap();
    assert!(!session.file_info().unwrap().unwrap().is_encrypted());
    expect_class(ErrorClass::InvalidArgument, session.save(options("b")));

    let mut second = leoam_conformance::session(&model);
    second.evaluate(&[4], Default::default()).unwrap();
    expect_class(ErrorClass::Busy, second.save(SaveOptions { plaintext: true, ..options("a") }));
    fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    expect_class(ErrorClass::Unsupported, second.save(SaveOptions { plaintext: true, ..options("c") }));
}

#[test]
fn a_file_can_be_looked_at_checked_and_removed_without_its_model() {
    let model = model_or_skip!();
    let folder = Folder::new();
    let path = folder.path("漢字🙂");
    let key = key(1);
    let (tokens, _) = saved(&model, &path, &key);
    let file = SessionFile::new(model.instance(), &path);
    let with_key = || FileOptions::with_key(SessionKey::Key(&key));
    assert_eq!(path, file.path());
    let info = file.info(with_key()).unwrap();
    assert!(info.is_encrypted() && !info.index_lost() && !info.model_name.is_empty());
    assert_eq!((150, 30, 49152, KvType::F16), (info.n_tokens, info.n_layers, info.n_vocab, info.kv_type));
    assert_ne!([0; 16], info.model);
    assert_eq!(tokens, file.tokens(with_key()).unwrap());
    let mut pages = (0, 0);
    let options = FileOptions {
        on_progress: Some(Box::new(|done, total| {
            pages = (done, total);
            Flow::Continue
        })),
        ..with_key()
    };
    let (verdict, findings) = file.verify(options).unwrap();
    assert!(verdict.whole && findings.is_empty(), "{findings:?}");
    assert!(pages.1 > 0 && pages.0 == pages.1);
    file.compact(with_key()).unwrap();
    assert_eq!(tokens, file.tokens(with_key()).unwrap());
    expect_class(ErrorClass::InvalidArgument, file.info(FileOptions::default()));

    let session = Session::open(&model, &path, with_key(), &SessionOptions::default()).unwrap();
    expect_class(ErrorClass::Busy, file.info(with_key()));
    expect_class(ErrorClass::Busy, file.remove());
    drop(session);
    file.remove().unwrap();
    expect_class(ErrorClass::NotFound, file.remove());
    expect_class(ErrorClass::NotFound, file.info(with_key()));
}

#[test]
fn damage_is_found_and_repaired_or_refused() {
    let model = model_or_skip!();
    let folder = Folder::new();
    let path = folder.path("session");
    let key = key(1);
    let (tokens, logits) = saved(&model, &path, &key);
    let with_key = || FileOptions::with_key(SessionKey::Key(&key));
    let whole = fs::read(&path).unwrap();

    // A page in the middle.
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0x5a);
    fs::write(&path, &damaged).unwrap();
    let file = SessionFile::new(model.instance(), &path);
    let (verdict, findings) = file.verify(with_key()).unwrap();
    assert!(!verdict.whole && verdict.n_bad_pages > 0 && !findings.is_empty(), "{verdict:?}");
    let mut session = Session::open(&model, &path, with_key(), &SessionOptions::default()).unwrap();
    session.evaluate(&tokens[..1], Default::default()).unwrap();
    assert_eq!(logits, session.logits().unwrap());
    drop(session);

    // All of it but the size.
    fs::write(&path, vec![0x5a; whole.len()]).unwrap();
    let opened = Session::open(&model, &path, with_key(), &SessionOptions::default());
    expect_class(ErrorClass::Corrupt, opened);
}

#[test]
fn forks_part_where_they_are_changed() {
    let model = model_or_skip!();
    let tokens = long_prompt(&model, 80);
    let mut first = session(&model);
    first.evaluate(&tokens, Default::default()).unwrap();
    let logits = first.logits().unwrap();
    let mut second = first.fork().unwrap();
    assert_eq!(logits, second.logits().unwrap());
    second.evaluate(&tokens[..5], Default::default()).unwrap();
    first.truncate(70).unwrap();
    assert_eq!((70, 85), (first.n_tokens().unwrap(), second.n_tokens().unwrap()));
    drop(first);
    assert_eq!(tokens, second.tokens(0..80).unwrap());
}

#[test]
fn a_suspended_session_leaves_memory_and_comes_back() {
    let model = model_or_skip!();
    let tokens = long_prompt(&model, 80);
    let mut session = session(&model);
    session.evaluate(&tokens, Default::default()).unwrap();
    let logits = session.logits().unwrap();
    let mut other = leoam_conformance::session(&model);
    other.evaluate(&tokens, Default::default()).unwrap();
    other.evaluate(&tokens[..1], Default::default()).unwrap();

    session.suspend(Default::default()).unwrap();
    assert_eq!(0, session.info().unwrap().resident_kv_bytes);
    assert_eq!(logits, session.logits().unwrap());
    session.evaluate(&tokens[..1], Default::default()).unwrap();
    assert!(session.info().unwrap().resident_kv_bytes > 0);
    assert_eq!(other.logits().unwrap(), session.logits().unwrap());
}
