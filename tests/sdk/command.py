"""The leoam command, run as scripts run it: sys.argv[1] is the program, a folder of its own is what it may write to."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

LEOAM = sys.argv[1]
FOLDER = tempfile.TemporaryDirectory()
# How many times longer than a fast build's commands may take.
PATIENCE = int(os.environ.get("LEOAM_TEST_PATIENCE", "1"))
os.environ["XDG_STATE_HOME"] = os.path.join(FOLDER.name, "state")


def run(*arguments, text=None, check=True, timeout=120):
    done = subprocess.run([LEOAM, *arguments], input=text, capture_output=True, text=True,
                          timeout=timeout * PATIENCE)
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments}: exit {done.returncode}: {done.stderr}")
    return done


def run_json(*arguments, text=None, timeout=120):
    """Exactly one JSON object on standard output."""
    out = run(*arguments, "--json", text=text, timeout=timeout).stdout
    assert out.endswith("\n") and out.count("\n") == 1, out
    return json.loads(out)


def expect_failure(test, status, fragment, *arguments, text=None):
    """The exit status, and a word of the reason; nothing on standard output."""
    done = run(*arguments, text=text, check=False)
    test.assertEqual(done.returncode, status, done.stderr)
    test.assertIn(fragment, done.stderr)
    test.assertEqual(done.stdout, "")


def path_of(name):
    return os.path.join(FOLDER.name, name)


def write(name, content):
    pathlib.Path(path_of(name)).write_text(content, encoding="utf-8")
    return path_of(name)
