"""Plays samples/love-npc in a real LÖVE on a virtual display. usage: love_test.py LOVE XVFB LUA_FOLDER [PICTURE]

Environment: LEOAM_LIBRARY, LEOAM_MODELS. Exit status 77 without a model.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[3]
MODEL = pathlib.Path(os.environ.get("LEOAM_MODELS", SOURCE / "models")) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def main():
    love, xvfb, lua_folder, *picture = sys.argv[1:]
    if not MODEL.exists():
        print(f"SKIPPED: {MODEL} is not there; run scripts/models.sh")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        game = pathlib.Path(folder) / "game"
        shutil.copytree(SOURCE / "samples" / "love-npc", game)
        shutil.copy(pathlib.Path(lua_folder) / "leoam.lua", game)
        (game / "main.lua").rename(game / "game.lua")
        shutil.copy(pathlib.Path(__file__).parent / "driver.lua", game / "main.lua")
        read, write = os.pipe()
        display = subprocess.Popen(
            [xvfb, "-displayfd", str(write), "-screen", "0", "1024x640x24", "-nolisten", "tcp"],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        try:
            environment = {
                **os.environ,
                "DISPLAY": ":" + os.read(read, 16).decode().strip(),
                "LEOAM_MODEL": str(MODEL),
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "XDG_DATA_HOME": folder,
                "HOME": folder,
            }
            if picture:
                environment["LEOAM_TEST_SCREEN"] = picture[0]
            limit_s = 280 * float(os.environ.get("LEOAM_TEST_PATIENCE", "1"))
            run = subprocess.run([love, game], env=environment, check=False, timeout=limit_s)
        finally:
            display.terminate()
            display.wait()
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
