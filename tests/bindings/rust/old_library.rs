//! A library with the entry of LeoAM that is of no use to the binding: too old, or with holes in its table
//! (`LEOAM_TEST_TABLE`).

#![deny(unsafe_op_in_unsafe_fn)]

use std::env;
use std::ptr;

use leoam_sys::*;

static VERSION: &[u8] = b"0.0.9";

// Not exported by `leoam-sys`, where the same names are declarations for the linker.
#[no_mangle]
unsafe extern "C" fn leoam_get_api(_: u32, size: u64, out_api: *mut *const leoam_api) -> leoam_status {
    let kind = env::var("LEOAM_TEST_TABLE").unwrap_or_default();
    if kind.is_empty() {
        // SAFETY: the out parameter of the caller.
        unsafe { *out_api = ptr::null() };
        return LEOAM_ERROR_VERSION;
    }
    let mut table = vec![0_u64; size as usize / 8];
    table[0] = if kind == "short" { 16 } else { size };
    // SAFETY: the out parameter of the caller; the table stays for the rest of the process.
    unsafe { *out_api = table.leak().as_ptr().cast() };
    LEOAM_OK
}

#[no_mangle]
unsafe extern "C" fn leoam_get_build_info(info: *mut leoam_build_info, _: *mut leoam_error) -> leoam_status {
    // SAFETY: the struct of the caller.
    unsafe {
        (*info).api_version = 1;
        (*info).version = leoam_string::view(VERSION);
    }
    LEOAM_OK
}
