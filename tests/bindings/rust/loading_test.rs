//! Which library is taken, and what is said when there is none.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use leoam::{ErrorClass, Instance, InstanceOptions, Library};
use leoam_conformance::{expect_class, library, smol_path, Folder};

/// What cargo has built beside this test.
fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is built by `cargo build --examples`", path.display());
    path
}

fn real_library() -> PathBuf {
    library().build_info().unwrap().file_path.into()
}

/// The program that says which library it has, in a folder of its own, without this test's environment.
struct Program {
    folder: Folder,
    path: PathBuf,
}

impl Program {
    fn new() -> Self {
        let folder = Folder::new();
        let path = folder.path("which_library");
        fs::copy(built("which_library"), &path).unwrap();
        Self { folder, path }
    }

    fn run(&self, variables: &[(&str, &Path)]) -> (bool, String) {
        let mut command = Command::new(&self.path);
        command.env_remove("LEOAM_LIBRARY").env_remove("LD_LIBRARY_PATH");
        for (name, value) in variables {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap().trim_end().to_string())
    }
}

#[test]
fn a_missing_library_is_an_error_that_names_every_path_and_reason() {
    let program = Program::new();
    let (found, said) = program.run(&[]);
    if found {
        leoam_conformance::skip(&format!("the system has a library: {said}"));
        return;
    }
    let beside = program.folder.path("libleoam.so.0");
    assert!(said.starts_with("not_found: "), "{said}");
    assert!(said.contains(beside.to_str().unwrap()), "{said}");
    assert_eq!(2, said.matches("cannot open shared object file").count(), "{said}");
    assert!(said.contains("libleoam.so.0 (the system's loader)"), "{said}");
    assert!(said.contains("LEOAM_LIBRARY"), "{said}");
}

#[test]
fn the_variable_names_the_only_file_that_is_tried() {
    let program = Program::new();
    fs::copy(real_library(), program.folder.path("libleoam.so.0")).unwrap();
    let absent = Path::new("/absent/libleoam.so.0");
    let (found, said) = program.run(&[("LEOAM_LIBRARY", absent)]);
    assert!(!found && said.contains("/absent/libleoam.so.0 (LEOAM_LIBRARY): "), "{said}");
    assert!(said.contains("cannot open shared object file") && !said.contains("(beside"), "{said}");
    // An empty one is none.
    assert!(program.run(&[("LEOAM_LIBRARY", Path::new(""))]).0);
    let real = real_library();
    assert_eq!((true, real.to_str().unwrap().to_string()), program.run(&[("LEOAM_LIBRARY", &real)]));
}

#[test]
fn the_folder_of_the_program_comes_before_those_of_the_system() {
    let program = Program::new();
    let other = Folder::new();
    fs::copy(real_library(), other.path("libleoam.so.0")).unwrap();
    let search = other.path("");
    let in_other = other.path("libleoam.so.0");
    assert_eq!((true, in_other.to_str().unwrap().to_string()), program.run(&[("LD_LIBRARY_PATH", &search)]));
    let beside = program.folder.path("libleoam.so.0");
    fs::copy(real_library(), &beside).unwrap();
    assert_eq!((true, beside.to_str().unwrap().to_string()), program.run(&[("LD_LIBRARY_PATH", &search)]));
}

#[test]
fn a_path_may_be_given_in_any_script() {
    let folder = Folder::new();
    let path = folder.path("漢字🙂.so");
    fs::copy(real_library(), &path).unwrap();
    let library = Library::open(&path).unwrap();
    assert_eq!(path.to_str().unwrap(), library.build_info().unwrap().file_path);
    let error = expect_class(ErrorClass::NotFound, Library::open("/absent/模型.so"));
    assert!(error.message().contains("/absent/模型.so (the path that was given): "), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let error = expect_class(ErrorClass::NotFound, Library::open("a\0b"));
    assert!(error.message().contains("zero"), "{error}");
}

#[test]
fn another_library_is_told_by_its_name_and_what_it_lacks() {
    let error = expect_class(ErrorClass::NotFound, Library::open("libc.so.6"));
    assert!(error.message().contains("libc.so.6 is not the LeoAM library"), "{error}");
    assert!(error.message().contains("undefined symbol: leoam_get_api"), "{error}");
    let folder = Folder::new();
    fs::write(folder.path("text.so"), "no library at all").unwrap();
    let error = expect_class(ErrorClass::NotFound, Library::open(folder.path("text.so")));
    assert!(error.message().contains("text.so") && error.message().contains("file too short"), "{error}");
}

#[test]
fn an_old_library_says_which_version_lies_where() {
    let old = built("libold_library.so");
    let error = expect_class(ErrorClass::Version, Library::open(&old));
    for words in [old.to_str().unwrap(), "0.0.9", "function table 1", "needs function table 2", "Replace"] {
        assert!(error.message().contains(words), "{words}: {error}");
    }
    // Tables that are not what was asked for are looked at before they are used.
    let program = Program::new();
    for table in ["short", "holes"] {
        let variables: [(&str, &Path); 2] = [("LEOAM_LIBRARY", &old), ("LEOAM_TEST_TABLE", Path::new(table))];
        let (found, said) = program.run(&variables);
        assert!(!found && said.starts_with("version: "), "{table}: {said}");
    }
}

#[test]
fn two_copies_of_the_library_share_nothing() {
    let folder = Folder::new();
    let path = folder.path("second.so");
    fs::copy(real_library(), &path).unwrap();
    let (first, second) = (library(), Library::open(&path).unwrap());
    let options = || InstanceOptions { n_threads: 1, ..Default::default() };
    let one = Instance::new(&first, options()).unwrap();
    let two = Instance::new(&second, options()).unwrap();
    one.set_host_kv_budget(64 << 20).unwrap();
    assert_ne!(64 << 20, two.statistics().unwrap().host_kv_budget_bytes);
    assert_ne!(first.build_info().unwrap().file_path, second.build_info().unwrap().file_path);
    drop(one);
    two.set_host_kv_budget(32 << 20).unwrap();
}

#[test]
fn a_program_may_end_without_giving_anything_back() {
    let model = match smol_path() {
        Some(path) => path,
        None => return,
    };
    for way in ["exit", "return"] {
        let output = Command::new(built("abrupt_end")).arg(&model).arg(way).output().unwrap();
        assert_eq!(Some(7), output.status.code(), "{way}: {output:?}");
        assert!(output.stderr.is_empty(), "{way}: {output:?}");
    }
}
