"""The quick start of bindings/csharp/README.md does what it says. usage: quick_start.py MCS MONO PACKAGE

With what the package has, as it has it. Environment: LEOAM_MODELS. Exit status 77 without a model.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

import hosts


def main():
    if not hosts.MODEL.exists():
        print(f"SKIPPED: {hosts.MODEL} is not there; run scripts/models.sh")
        return 77
    mcs, mono, package = sys.argv[1:]
    readme = (hosts.SOURCE / "bindings" / "csharp" / "README.md").read_text()
    code = re.search(r"```csharp\n(.*?)```", readme, re.S).group(1)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 15, f"{len(lines)} lines are more than a newcomer copies"
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        with zipfile.ZipFile(package) as archive:
            for name in archive.namelist():
                if name.startswith(("lib/", "runtimes/")):
                    (root / pathlib.PurePosixPath(name).name).write_bytes(archive.read(name))
        (root / "model.gguf").symlink_to(hosts.MODEL)
        (root / "Program.cs").write_text(code)
        build = subprocess.run(
            [mcs, "-r:LeoAM.dll", "Program.cs"], cwd=root, capture_output=True, text=True, check=False
        )
        assert build.returncode == 0, build.stdout + build.stderr
        answers = set()
        for host in ([mono], hosts.coreclr()):
            if host is None:
                continue
            run = hosts.run(host, root / "Program.exe", cwd=root, LEOAM_LIBRARY=None, XDG_STATE_HOME=folder)
            assert run.returncode == 0, run.stdout + run.stderr
            assert run.stdout.strip(), "it said nothing"
            answers.add(run.stdout)
        assert len(answers) == 1, answers
        print(*answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
