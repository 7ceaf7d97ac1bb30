"""A program that ends while requests run ends at once, and so does a plug-in that is unloaded.

usage: leaving_test.py MONO PROGRAM
Environment: LEOAM_LIBRARY, LEOAM_MODELS. Exit status 77 without a model.
"""

import os
import sys
import tempfile
import time

import hosts

# It takes one or two; the failure is to go on for ever.
SECONDS = 30 * float(os.environ.get("LEOAM_TEST_PATIENCE", "1"))


def main():
    if not hosts.MODEL.exists():
        print(f"SKIPPED: {hosts.MODEL} is not there; run scripts/models.sh")
        return 77
    mono, program = sys.argv[1:]
    # Domains are Mono's only.
    for host, rounds in (([mono], []), ([mono], ["3"]), (hosts.coreclr(), [])):
        if host is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            run = hosts.run(host, program, str(hosts.MODEL), *rounds, XDG_STATE_HOME=folder)
            took = time.monotonic() - begun
        assert run.returncode == 0, f"{run.returncode}: {run.stdout}{run.stderr}"
        assert run.stdout == "leaving\n" * int("".join(rounds) or 1) and run.stderr == "", run.stdout + run.stderr
        assert took < SECONDS, f"it took {took:.1f} s"
        print(f"ok on {host[0]}: {took:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
