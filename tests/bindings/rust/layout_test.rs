//! The declarations have the layout and the values that the C interface promises: every line of
//! layout.golden.

use std::mem::{align_of, size_of, MaybeUninit};
use std::ptr::addr_of;

use leoam_sys::*;

#[derive(Default)]
struct Found {
    n_checked: usize,
    wrong: Vec<String>,
}

impl Found {
    fn expect<T: PartialEq + std::fmt::Debug>(&mut self, what: String, found: T, expected: T) {
        self.n_checked += 1;
        if found != expected {
            self.wrong.push(format!("{what}: {found:?}, promised {expected:?}"));
        }
    }

    fn size<T>(&mut self, name: &str, size: usize) {
        self.expect(format!("size of {name}"), size_of::<T>(), size);
    }

    fn alignment<T>(&mut self, name: &str, alignment: usize) {
        self.expect(format!("alignment of {name}"), align_of::<T>(), alignment);
    }

    fn constant(&mut self, name: &str, found: i64, value: i64) {
        self.expect(name.to_string(), found, value);
    }
}

fn size_of_target<T>(_: *const T) -> usize {
    size_of::<T>()
}

macro_rules! field {
    ($found:ident, $of:ident, $field:ident, $offset:literal, $size:literal) => {
        let value = MaybeUninit::<$of>::uninit();
        let begin = value.as_ptr();
        // SAFETY: the address of a field of a struct in memory, which is not read.
        let field = unsafe { addr_of!((*begin).$field) };
        let offset = field as usize - begin as usize;
        let name = concat!(stringify!($of), ".", stringify!($field));
        $found.expect(name.to_string(), (offset, size_of_target(field)), ($offset, $size));
    };
}

include!(concat!(env!("OUT_DIR"), "/layout.rs"));

#[test]
fn every_promised_line_holds() {
    let mut found = Found::default();
    check(&mut found);
    assert!(found.wrong.is_empty(), "{:#?}", found.wrong);
    assert!(found.n_checked > 400, "{}", found.n_checked);
}

#[test]
fn new_structs_have_their_size() {
    assert_eq!(size_of::<leoam_error>() as u32, leoam_error::default().struct_size);
    assert_eq!(size_of::<leoam_plan>() as u32, leoam_plan::default().struct_size);
    let options = leoam_request_options::default();
    assert!(options.on_event.is_none() && options.prompt.is_null());
}
