"""The Neovim plug-in in a real Neovim, without a terminal. usage: neovim_test.py NVIM LUA_FOLDER

Environment: LEOAM_LIBRARY, LEOAM_MODELS. Exit status 77 without a model.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[3]
MODEL = pathlib.Path(os.environ.get("LEOAM_MODELS", SOURCE / "models")) / "SmolLM2-135M-Instruct.Q4_1.gguf"
SAMPLE = SOURCE / "samples" / "neovim"
TEXT = "The river Fenn rises in the hills of Orrin and is crossed by eleven bridges. " * 60


def main():
    nvim, lua_folder = sys.argv[1:]
    if not MODEL.exists():
        print(f"SKIPPED: {MODEL} is not there; run scripts/models.sh")
        return 77
    with tempfile.TemporaryDirectory() as home:
        document = pathlib.Path(home) / "project" / "document.txt"
        (document.parent / ".git").mkdir(parents=True)
        document.write_text(TEXT)
        site = pathlib.Path(home) / "site"
        site.mkdir()
        (site / "lua").symlink_to(pathlib.Path(lua_folder).resolve())
        environment = {**os.environ, "LEOAM_TEST_MODEL": str(MODEL), "HOME": home}
        for kind in ("STATE", "DATA", "CONFIG", "CACHE"):
            environment[f"XDG_{kind}_HOME"] = f"{home}/{kind.lower()}"
        command = [nvim, "--headless", "-u", "NONE", "-i", "NONE", "-n"]
        command += ["--cmd", f"set runtimepath+={SAMPLE},{site}"]
        # -u NONE loads no plug-ins.
        command += ["--cmd", "runtime plugin/leoam_ask.lua", str(document)]
        command += ["-c", f"luafile {pathlib.Path(__file__).parent}/drive.lua"]
        for step in ("no model", "first", "again", "forget"):
            run = subprocess.run(
                command,
                env={**environment, "LEOAM_TEST_STEP": step},
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=250 * float(os.environ.get("LEOAM_TEST_PATIENCE", "1")),
            )
            print(f"{step}: {run.returncode} {run.stdout}{run.stderr}")
            if run.returncode != 0:
                return 1
            kept = list(pathlib.Path(home).glob("data/**/*.session"))
            assert len(kept) == (1 if step in ("first", "again") else 0), kept
            for path in [*kept, *pathlib.Path(home).glob("data/**/key")]:
                assert path.stat().st_mode & 0o77 == 0, f"others may read {path}"
                assert b"Orrin" not in path.read_bytes(), f"{path} is readable"
        tags = subprocess.run(
            [nvim, "--headless", "-u", "NONE", "-n", "-c", f"helptags {SAMPLE}/doc", "-c", "qall"],
            capture_output=True, text=True, check=False,
        )
        (SAMPLE / "doc" / "tags").unlink(missing_ok=True)
        assert tags.returncode == 0 and "E" not in tags.stderr, tags.stderr
    return 0


if __name__ == "__main__":
    sys.exit(main())
