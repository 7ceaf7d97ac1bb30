"""The quick start of bindings/lua/README.md does what it says. usage: quick_start.py LUAJIT

Environment: LEOAM_LIBRARY, LEOAM_MODELS, LUA_PATH. Exit status 77 without a model.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[3]
MODEL = pathlib.Path(os.environ.get("LEOAM_MODELS", SOURCE / "models")) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def main():
    if not MODEL.exists():
        print(f"SKIPPED: {MODEL} is not there; run scripts/models.sh")
        return 77
    readme = (SOURCE / "bindings" / "lua" / "README.md").read_text()
    code = re.search(r"```lua\n(.*?)```", readme, re.S).group(1)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 15, f"{len(lines)} lines are more than a newcomer copies"
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "model.gguf").symlink_to(MODEL)
        environment = {
            **os.environ,
            "XDG_STATE_HOME": folder,
        }
        run = subprocess.run(
            [sys.argv[1], "-e", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip(), "it said nothing"
    print(run.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
