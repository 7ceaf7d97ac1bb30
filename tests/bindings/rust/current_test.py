"""The Rust declarations are those of the C headers, and the safe crate leaves nothing of them out. Where bindgen is
installed, what it makes of the headers has the same layout.

usage: current_test.py FOLDER
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["LEOAM_SOURCE_DIR"])
GENERATOR = SOURCE / "bindings" / "generator"
BINDING = SOURCE / "bindings" / "rust"
FOLDER = pathlib.Path(sys.argv[1])

# Names of errors are its own, the length of a text is in the text, and the other numbers are between the libraries.
NOT_IN_THE_SAFE_CRATE = {"error_name", "struct_size", "reserved", "api_version", "model_name_size"}


def left_out(read):
    """What of the C interface no line of the safe crate has."""
    text = "\n".join(path.read_text() for path in sorted((BINDING / "leoam" / "src").glob("*.rs")))
    words = set(re.findall(r"\w+", text))
    for struct in [*read.structs, read.table]:
        for field in struct.fields:
            if field.name not in words | NOT_IN_THE_SAFE_CRATE:
                yield f"{struct.name}.{field.name}"
    names = [constant.name for constant in read.constants if constant.is_flag]
    names += [value.name for alias in read.aliases for value in alias.values]
    for name in names:
        if name not in words:
            yield name


def compare_with_bindgen(read):
    if not shutil.which("bindgen") or not shutil.which("rustc"):
        print("SKIPPED: bindgen is not installed, the layout of what it makes of the headers is not compared")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    header = SOURCE / "c_api" / "include" / "leoam" / "leoam.h"
    theirs = subprocess.run(
        ["bindgen", "--no-layout-tests", header, "--", f"-I{SOURCE / 'c_api' / 'include'}"],
        capture_output=True, text=True, check=True,
    ).stdout
    (FOLDER / "theirs.rs").write_text(theirs)
    checks = []
    for struct in [*read.structs, read.table]:
        for measure in ("size_of", "align_of"):
            ours, other = (f"core::mem::{measure}::<{of}::{struct.name}>()" for of in ("leoam_sys", "theirs"))
            checks.append(f'    assert_eq!({ours}, {other}, "{measure} {struct.name}");')
    program = "#[allow(warnings)]\nmod theirs;\nfn main() {\n" + "\n".join(checks) + "\n}\n"
    (FOLDER / "main.rs").write_text(program)
    rustc = ["rustc", "--edition", "2021", "-L", FOLDER, "--out-dir", FOLDER]
    crate = BINDING / "leoam-sys" / "src" / "lib.rs"
    subprocess.run([*rustc, "--crate-type", "rlib", "--crate-name", "leoam_sys", crate], check=True)
    extern = f"leoam_sys={FOLDER / 'libleoam_sys.rlib'}"
    subprocess.run([*rustc, "--crate-name", "compare", "--extern", extern, FOLDER / "main.rs"], check=True)
    subprocess.run([FOLDER / "compare"], check=True)


def main():
    status = subprocess.run([sys.executable, GENERATOR / "rust.py", "--check"], check=False).returncode
    sys.path.insert(0, str(GENERATOR))
    import interface

    read = interface.read()
    missing = list(left_out(read))
    if missing:
        print("the safe crate has no word of:", *missing, sep="\n  ")
        status = 1
    compare_with_bindgen(read)
    return status


if __name__ == "__main__":
    sys.exit(main())
