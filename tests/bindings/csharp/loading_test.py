"""Where the C# binding finds its native half, and what it says when it does not. usage: loading_test.py MONO FOLDER

FOLDER has loading.exe, LeoAM.dll and libleoam_csharp.so, and below it files that are not the right ones.
Environment: LEOAM_LIBRARY, the real libleoam.so.
"""

import os
import pathlib
import shutil
import sys
import tempfile

import hosts

LIBRARY = pathlib.Path(os.environ["LEOAM_LIBRARY"]).resolve()
BUILT = pathlib.Path(sys.argv[2])
WRAPPER = "libleoam_csharp.so"


class Place:
    """A folder with a program in it, and others for natives."""

    def __init__(self, root, host):
        self.host = host
        self.program = root / "program" / "loading.exe"
        self.program.parent.mkdir()
        for name in ("loading.exe", "LeoAM.dll"):
            shutil.copy(BUILT / name, self.program.parent)
        self.natives = root / "natives"
        self.put(self.natives)
        self.elsewhere = root / "elsewhere"
        self.elsewhere.mkdir()

    @staticmethod
    def put(folder, wrapper=BUILT / WRAPPER, library=LIBRARY):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(wrapper, folder / WRAPPER)
        shutil.copy(library, folder / "libleoam.so.0")

    def run(self, *arguments, library=None, search=None):
        return hosts.run(
            self.host,
            self.program,
            *arguments,
            cwd=self.elsewhere,
            LEOAM_LIBRARY=library and str(library),
            LD_LIBRARY_PATH=search and str(search),
            XDG_STATE_HOME=str(self.elsewhere),
        )

    def loads(self, folder, *arguments, **where):
        found = self.run(*arguments, **where)
        assert found.returncode == 0, found.stdout + found.stderr
        for name in (WRAPPER, "libleoam.so.0"):
            assert f"{folder}/{name}" in found.stdout, found.stdout
        assert found.stdout.count(WRAPPER) == 1, found.stdout

    def refuses(self, words, *arguments, **where):
        found = self.run(*arguments, **where)
        assert found.returncode == 3, found.stdout + found.stderr
        for word in words:
            assert str(word) in found.stdout, f"{word} is not in: {found.stdout}"


def check(place):
    beside = place.program.parent
    nowhere = place.elsewhere / "nowhere"
    no_file = "cannot open shared object file"
    # Nothing anywhere: every place, the words of the system, what to do.
    tried = [beside / WRAPPER, beside / "runtimes" / "linux-x64" / "native" / WRAPPER, f"\n  {WRAPPER}: "]
    place.refuses([*tried, no_file, "LEOAM_LIBRARY", "Library.Path", "again"])
    place.refuses([nowhere, no_file], library=nowhere)
    place.refuses([nowhere, no_file], str(nowhere))
    # A path that is given is the only one.
    place.loads(place.natives, library=place.natives)
    place.loads(place.natives, library=place.natives / WRAPPER)
    place.loads(place.natives, library=place.natives / "libleoam.so.0")
    place.loads(place.natives, str(place.natives))
    place.loads(place.natives, str(place.natives), library=nowhere)
    # Where the system looks.
    place.loads(place.natives, search=place.natives)
    # As packages have it, and beside the program, whatever the current folder.
    place.put(beside / "runtimes" / "linux-x64" / "native")
    place.loads(beside / "runtimes" / "linux-x64" / "native")
    place.put(beside)
    place.loads(beside)
    place.loads(beside, search=place.natives)
    place.loads(place.natives, library=place.natives)
    place.loads(place.natives, library=place.natives, search=beside)
    place.refuses([nowhere], library=nowhere)
    # Files that do not fit say what they are.
    old = place.elsewhere / "old"
    place.put(old, library=BUILT / "old_library" / "libleoam.so.0")
    place.refuses(["older", old / WRAPPER, "0.0.9", "table 1", "/an/old/libleoam.so.0"], library=old)
    place.put(old, wrapper=BUILT / "old_wrapper" / WRAPPER)
    place.refuses([old / WRAPPER, "made for version 0.0.9"], library=old)
    place.put(old, wrapper=BUILT / "no_wrapper" / WRAPPER)
    place.refuses([old / WRAPPER, "was not made for this assembly"], library=old)
    (old / WRAPPER).write_text("not a library")
    place.refuses([old / WRAPPER, "file too short"], library=old)


def check_dllmap(place):
    """Mono's own way: a relative target is that of the assembly, and goes before everything."""
    beside = place.program.parent
    config = beside / "LeoAM.dll.config"
    entry = '<configuration><dllmap dll="leoam_csharp" target="{}" /></configuration>'
    place.put(beside / "mapped")
    config.write_text(entry.format(f"mapped/{WRAPPER}"))
    found = place.run(library=beside / "mapped")
    assert found.returncode == 0, found.stdout + found.stderr
    config.write_text(entry.format("nowhere.so"))
    place.refuses(["dllmap", "nowhere.so"], library=place.natives)
    config.unlink()


def main():
    for name, host in (("Mono", [sys.argv[1]]), ("CoreCLR", hosts.coreclr())):
        if host is None:
            continue
        with tempfile.TemporaryDirectory() as root:
            place = Place(pathlib.Path(root).resolve(), host)
            check(place)
            if name == "Mono":
                check_dllmap(place)
        print(f"ok on {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
