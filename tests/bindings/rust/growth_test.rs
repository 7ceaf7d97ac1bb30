//! Opening and closing everything again and again keeps no memory, no file and no thread.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use leoam::{
    Instance, InstanceOptions, Library, LoadOptions, Model, RequestOptions, Session, SessionOptions,
};
use leoam_conformance::{smol_path, Folder};

const N_CYCLES: usize = 200;

/// The first number of a line of /proc/self/status.
fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn n_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn is_mapped(path: &Path) -> bool {
    fs::read_to_string("/proc/self/maps").unwrap().contains(path.to_str().unwrap())
}

fn cycle(library: &Library, path: &Path, state_folder: PathBuf, header_only: bool) {
    let options = InstanceOptions {
        n_threads: 2,
        state_folder: Some(state_folder),
        log: Some(Box::new(|_, _| ())),
        ..Default::default()
    };
    let instance = Instance::new(library, options).unwrap();
    let options = LoadOptions { header_only, ..Default::default() };
    let model = Model::load(&instance, path, options).unwrap();
    assert!(Model::load(&instance, "/absent", LoadOptions::default()).is_err());
    model.metadata().unwrap();
    if !header_only {
        let mut session = Session::new(&model, &SessionOptions::default()).unwrap();
        let options = RequestOptions {
            prompt: vec![70, 71, 72],
            max_tokens: 5,
            ignore_end: true,
            ..Default::default()
        };
        let mut request = session.submit(options).unwrap();
        request.text().unwrap();
        drop(session.fork().unwrap());
    }
}

#[test]
fn two_hundred_cycles_keep_nothing() {
    // The small random model of the C tests; without it the header of the real one.
    let tiny = env::var_os("LEOAM_TINY_MODEL").map(PathBuf::from);
    let header_only = tiny.is_none();
    let path = match tiny.or_else(smol_path) {
        Some(path) => path,
        None => return,
    };
    let folder = Folder::new();
    let library = Library::load().unwrap();
    let mut before = (0, 0, 0);
    for at in 0..N_CYCLES {
        cycle(&library, &path, folder.path("state"), header_only);
        // The allocator has what it needs by then.
        if at == N_CYCLES / 4 {
            before = (status("VmRSS:"), n_files(), status("Threads:"));
        }
    }
    let after = (status("VmRSS:"), n_files(), status("Threads:"));
    assert!(after.0 < before.0 + 2048, "{} kB, and {} kB before", after.0, before.0);
    assert_eq!((before.1, before.2), (after.1, after.2));

    // Nothing of the objects keeps the library either.
    let file_path = fs::canonicalize(library.build_info().unwrap().file_path).unwrap();
    // SAFETY: no object was dropped inside a callback.
    unsafe { library.unload() }.unwrap();
    assert!(!is_mapped(&file_path), "the library stays mapped");
    for _ in 0..10 {
        let library = Library::load().unwrap();
        cycle(&library, &path, folder.path("state"), header_only);
        assert!(is_mapped(&file_path));
        // SAFETY: as above.
        unsafe { library.unload() }.unwrap();
        assert!(!is_mapped(&file_path), "the library stays mapped");
    }
}
