"""What is in LeoAM.<version>.nupkg, and that it is in its place. usage: package_test.py PACKAGE"""

import os
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree
import zipfile

import hosts

MEMBERS = {
    "[Content_Types].xml",
    "_rels/.rels",
    "LeoAM.nuspec",
    "LICENSE",
    "README.md",
    "build/LeoAM.targets",
    "build/mono/LeoAM.dll.config",
    "lib/netstandard2.0/LeoAM.dll",
    "lib/netstandard2.0/LeoAM.xml",
    "runtimes/linux-x64/native/libleoam.so.0",
    "runtimes/linux-x64/native/libleoam_csharp.so",
}


def main():
    path = pathlib.Path(sys.argv[1])
    version = re.fullmatch(r"LeoAM\.(\d+\.\d+\.\d+)\.nupkg", path.name).group(1)
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        names = package.namelist()
        assert len(names) == len(set(names)) and set(names) == MEMBERS, names
        files = {name: package.read(name) for name in names}

    markup = (".xml", ".nuspec", ".rels", ".targets", ".config")
    parsed = {name: ElementTree.fromstring(files[name]) for name in names if name.endswith(markup)}
    metadata = {element.tag.rpartition("}")[2]: element for element in parsed["LeoAM.nuspec"].iter()}
    assert metadata["id"].text == "LeoAM" and metadata["version"].text == version
    assert metadata["license"].text in names and metadata["readme"].text in names
    assert any(element.get("Target") == "/LeoAM.nuspec" for element in parsed["_rels/.rels"])
    types = {(e.get("Extension") or e.get("PartName")).lstrip("/") for e in parsed["[Content_Types].xml"]}
    for name in MEMBERS - {"[Content_Types].xml"}:
        assert pathlib.PurePosixPath(name).suffix.lstrip(".") in types or name in types, f"{name} has no type"

    # Everything public is documented; mcs refuses what is not, and this that the file is the one of this assembly.
    members = [member.get("name") for member in parsed["lib/netstandard2.0/LeoAM.xml"].iter("member")]
    for member in ("T:LeoAM.Instance", "T:LeoAM.LeoamNoSpaceException", "P:LeoAM.LeoamException.NeededBytes"):
        assert member in members, f"{member} has no documentation"
    for name in names:
        if name.endswith((".so", ".so.0")):
            assert files[name].startswith(b"\x7fELF"), name
    assert files["lib/netstandard2.0/LeoAM.dll"].startswith(b"MZ")
    # Nobody's folders or accounts.
    for name, bytes_ in files.items():
        assert os.fsencode(hosts.SOURCE) not in bytes_ and b"/home/" not in bytes_, name
    target = parsed["build/mono/LeoAM.dll.config"].find("dllmap").get("target")
    assert target in names
    assert "runtimes/linux-x64/native/*" in files["build/LeoAM.targets"].decode()
    print(f"ok: {len(names)} members, version {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
