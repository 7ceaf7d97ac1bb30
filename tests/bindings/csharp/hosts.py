"""The runtimes on which programs of C# are run."""

import json
import os
import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[3]
MODEL = pathlib.Path(os.environ.get("LEOAM_MODELS", SOURCE / "models")) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def mono(program):
    return [program]


def coreclr():
    """The command of CoreCLR, or None where it cannot be had; says why."""
    fetch = subprocess.run([SOURCE / "scripts" / "coreclr.sh"], capture_output=True, text=True, check=False)
    if fetch.returncode != 0:
        print(f"SKIPPED on CoreCLR: {fetch.stderr.strip()}", flush=True)
        return None
    return [fetch.stdout.strip()]


def command(host, program, *arguments):
    """How `host` runs a program. CoreCLR wants to be told what it is made for, beside it."""
    if pathlib.Path(host[0]).name == "dotnet":
        settings = {
            "runtimeOptions": {
                "framework": {"name": "Microsoft.NETCore.App", "version": "3.1.0"},
                "rollForward": "LatestMajor",
                # Nothing of what is tested depends on a culture, and ICU need not be there.
                "configProperties": {"System.Globalization.Invariant": True},
            }
        }
        pathlib.Path(program).with_suffix(".runtimeconfig.json").write_text(json.dumps(settings))
    return [*host, str(program), *arguments]


def run(host, program, *arguments, cwd=None, **environment):
    """Variables of the environment that are None are unset."""
    variables = {**os.environ, **environment}
    return subprocess.run(
        command(host, program, *arguments),
        cwd=cwd,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
    )
