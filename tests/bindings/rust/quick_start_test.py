"""The quick start of the Rust binding, as its README shows it: copied into a program of its own, built and run, with the
library loaded at run time; and a program that is linked with the library. Skipped (77) without the model.

usage: quick_start_test.py FOLDER; LEOAM_LIBRARY, LEOAM_MODELS and LEOAM_SOURCE_DIR as for the other tests
"""

import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["LEOAM_SOURCE_DIR"])
LIBRARY = pathlib.Path(os.environ["LEOAM_LIBRARY"])
MODELS = pathlib.Path(os.environ.get("LEOAM_MODELS", SOURCE / "models"))
BINDING = SOURCE / "bindings" / "rust"
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"

LINKED = """\
fn main() -> leoam::Result<()> {
    println!("{}", leoam::Library::linked()?.build_info()?.version);
    Ok(())
}
"""


def block(readme, language):
    return re.search(rf"^```{language}\n(.*?)^```$", readme, re.S | re.M).group(1)


def build(folder, dependencies, code, **variables):
    """The program that cargo makes of `code`."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    package = '[package]\nname = "program"\nversion = "0.1.0"\nedition = "2021"\n\n'
    (folder / "Cargo.toml").write_text(package + dependencies + "\n[workspace]\n")
    (folder / "src" / "main.rs").write_text(code)
    environment = dict(os.environ, CARGO_TARGET_DIR=str(folder / "target"), **variables)
    subprocess.run(["cargo", "build", "--offline", "--quiet"], cwd=folder, env=environment, check=True)
    return folder / "target" / "debug" / "program"


def main():
    folder = pathlib.Path(sys.argv[1])
    readme = (BINDING / "README.md").read_text()
    code = block(readme, "rust")
    assert len(code.splitlines()) <= 15, "the quick start is long"
    dependencies = block(readme, "toml").replace("bindings/rust/leoam", str(BINDING / "leoam"))
    program = build(folder / "loaded", dependencies, code)

    linked = dependencies.replace(" }", ', features = ["link"] }')
    linked_program = build(folder / "linked", linked, LINKED, LEOAM_LIB_DIR=str(LIBRARY.parent))
    needed = subprocess.run(["readelf", "-d", linked_program], capture_output=True, text=True, check=True).stdout
    assert "libleoam.so.0" in needed, needed
    environment = dict(os.environ, LD_LIBRARY_PATH=str(LIBRARY.parent))
    version = subprocess.run([linked_program], env=environment, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", version), version

    if not (MODELS / MODEL).exists():
        print(f"SKIPPED: {MODEL} is not in LEOAM_MODELS or models/: built and not run; run scripts/models.sh")
        return 77
    answer = subprocess.run([program], cwd=MODELS, capture_output=True, text=True, check=True).stdout
    print(answer)
    assert "7" in answer or "seven" in answer, answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
