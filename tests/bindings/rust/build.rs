//! Writes the lines of layout.golden as checks of the structs and constants of `leoam-sys`, for
//! `layout_test.rs`.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

fn main() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../c_api/layout.golden");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", golden.display());
    let lines = fs::read_to_string(&golden).expect("layout.golden of the C interface");
    let mut code = String::from("fn check(found: &mut Found) {\n");
    let mut alignments: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [name, "size", size] => writeln!(code, "    found.size::<{name}>(\"{name}\", {size});"),
            [name, "offset", offset, "size", size] => {
                let (of, field) = name.split_once('.').expect("struct.field");
                let numbers: (u64, u64) =
                    (offset.parse().expect("a number"), size.parse().expect("a number"));
                // A field lies at a multiple of its alignment, which is 8 at most.
                if numbers.1 % 8 == 0 && numbers.0 % 8 == 0 && field != "message" && field != "model_name" {
                    alignments.insert(of, 8);
                }
                let field = if field == "type" { "r#type" } else { field };
                writeln!(code, "    field!(found, {of}, {field}, {offset}, {size});")
            }
            [name, "=", value] => writeln!(code, "    found.constant(\"{name}\", {name} as i64, {value});"),
            _ => panic!("layout.golden: {line}"),
        }
        .expect("a string takes everything");
    }
    for (name, alignment) in alignments {
        writeln!(code, "    found.alignment::<{name}>(\"{name}\", {alignment});").expect("as above");
    }
    code.push_str("}\n");
    let out = env::var_os("OUT_DIR").expect("set by cargo");
    fs::write(Path::new(&out).join("layout.rs"), code).expect("written");
}
