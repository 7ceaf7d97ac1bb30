//! Where the linker finds the library, for the feature `link`. Without it nothing is looked for.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LEOAM_LIB_DIR");
    if env::var_os("CARGO_FEATURE_LINK").is_none() {
        return;
    }
    if let Some(folder) = env::var_os("LEOAM_LIB_DIR") {
        println!("cargo:rustc-link-search=native={}", folder.to_string_lossy());
    }
}
