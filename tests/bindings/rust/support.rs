//! What the tests share: the library, models, folders, time.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use leoam::{ChatMessage, Error, ErrorClass, Instance, InstanceOptions, Library, LoadOptions, Model};
use leoam::{RequestOptions, Session, SessionOptions};

const SMOL_LM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// Says in the form that the tests' summary looks for that the running test was skipped. Past the harness,
/// which would keep it to itself.
pub fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("main").replace("::", ".");
    let line = format!("\n[  SKIPPED ] rust.{test} ({reason})\n");
    // Nobody is there to be told that the message cannot be written.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A file of the folder that `LEOAM_MODELS` names, else of `models` of the source tree.
pub fn model_path(name: &str) -> Option<PathBuf> {
    let folder = env::var_os("LEOAM_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../models"), PathBuf::from);
    let path = folder.join(name);
    if !path.exists() {
        skip(&format!("{name} is not in LEOAM_MODELS or models/; run scripts/models.sh"));
        return None;
    }
    Some(path)
}

/// The small real model; none: the test is skipped.
pub fn smol_path() -> Option<PathBuf> {
    model_path(SMOL_LM2)
}

pub fn library() -> Library {
    Library::load().expect("LEOAM_LIBRARY names the library to test")
}

pub fn instance() -> Instance {
    instance_of(InstanceOptions::default())
}

/// An instance of two threads with a state folder of its own.
pub fn instance_of(options: InstanceOptions) -> Instance {
    let state_folder = options.state_folder.clone().or_else(|| Some(shared_folder()));
    Instance::new(&library(), InstanceOptions { n_threads: 2, state_folder, ..options }).expect("an instance")
}

/// One model for the tests that need no instance of their own.
pub fn shared_model() -> Option<Model> {
    static SHARED: Mutex<Option<Model>> = Mutex::new(None);
    let path = smol_path()?;
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Some(shared.get_or_insert_with(|| load(&instance(), &path)).clone())
}

pub fn load(instance: &Instance, path: &Path) -> Model {
    Model::load(instance, path, LoadOptions::default()).expect("the model loads")
}

/// The shared model, or the test ends here.
#[macro_export]
macro_rules! model_or_skip {
    () => {
        match $crate::shared_model() {
            Some(model) => model,
            None => return,
        }
    };
}

/// A path of the small real model, or the test ends here.
#[macro_export]
macro_rules! path_or_skip {
    () => {
        match $crate::smol_path() {
            Some(path) => path,
            None => return,
        }
    };
}

pub fn session(model: &Model) -> Session {
    Session::new(model, &SessionOptions::default()).expect("a session")
}

pub fn question(model: &Model, text: &str) -> Vec<i32> {
    model.tokenize_chat(&[ChatMessage::user(text)], &Default::default()).expect("a prompt")
}

/// So many tokens of running text.
pub fn long_prompt(model: &Model, n_tokens: usize) -> Vec<i32> {
    let text =
        "The river ran past the mill and the children counted boats until it was dark. ".repeat(n_tokens / 8);
    let mut tokens = model.tokenize(&text, Default::default()).expect("tokens");
    assert!(tokens.len() >= n_tokens);
    tokens.truncate(n_tokens);
    tokens
}

/// A request that does not end by itself soon.
pub fn endless(model: &Model) -> RequestOptions {
    RequestOptions {
        prompt: question(model, "Tell me a long story."),
        max_tokens: 1500,
        ignore_end: true,
        ..Default::default()
    }
}

pub fn expect_class<T>(class: ErrorClass, result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("a failure of class {class:?} was expected"),
        Err(error) => {
            assert_eq!(class, error.class(), "{error}");
            assert!(!error.message().is_empty());
            error
        }
    }
}

/// The message of a panic of `function`, which has to panic.
pub fn panic_of<T>(function: impl FnOnce() -> T) -> String {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(function)) {
        Ok(_) => panic!("a panic was expected"),
        Err(payload) => payload.downcast_ref::<&str>().map_or_else(String::new, ToString::to_string),
    }
}

/// A number of times that something is tried whose time other processes may lengthen: `measure` gives the
/// time.
pub fn expect_within(limit: Duration, mut measure: impl FnMut() -> Duration) {
    let patience: u32 = env::var("LEOAM_TEST_PATIENCE").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut measured = Vec::new();
    for _ in 0..8 {
        measured.push(measure());
        if measured.last() <= Some(&(limit * patience)) {
            return;
        }
    }
    panic!("{limit:?} were to be enough: {measured:?}");
}

pub fn time(function: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    function();
    begin.elapsed()
}

/// A folder that is private, as session files want it, and gone at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("leoam-rust-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in the system's folder for such files is no failure.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The state folder of instances: beside the test, not that of the user. KV that leaves memory has no name in
/// it.
fn shared_folder() -> PathBuf {
    env::current_exe().expect("a path of the test").with_file_name("leoam-state")
}
