"""Packs LeoAM.<version>.nupkg: the assembly, the native files of linux-x64, and what older hosts need beside them.

usage: package.py --version V --out FILE --assembly LeoAM.dll --native [NAME=]FILE ...

The documentation lies beside the assembly. The same input gives the same bytes.
"""

import argparse
import pathlib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RID = "linux-x64"

NUSPEC = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
  <metadata>
    <id>LeoAM</id>
    <version>{version}</version>
    <authors>LeoAM</authors>
    <license type="file">LICENSE</license>
    <readme>README.md</readme>
    <description>Local language models over very long context, in one native library.</description>
    <dependencies>
      <group targetFramework=".NETStandard2.0" />
    </dependencies>
  </metadata>
</package>
"""

RELATIONSHIPS = """<?xml version="1.0" encoding="utf-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
  <Relationship Type="http://schemas.microsoft.com/packaging/2010/07/manifest" Target="/LeoAM.nuspec" Id="nuspec" />
</Relationships>
"""

CONTENT_TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml" />
{types}
</Types>
"""

# .NET takes native files from runtimes/; .NET Framework and Mono have them beside the program.
TARGETS = f"""<Project xmlns="http://schemas.microsoft.com/developer/msbuild/2003">
  <ItemGroup Condition="'$(TargetFrameworkIdentifier)' == '.NETFramework'">
    <None Include="$(MSBuildThisFileDirectory)../runtimes/{RID}/native/*">
      <Link>%(Filename)%(Extension)</Link>
      <CopyToOutputDirectory>PreserveNewest</CopyToOutputDirectory>
      <Visible>false</Visible>
    </None>
  </ItemGroup>
</Project>
"""

# For hosts that embed a Mono without mono_dllmap_insert. It goes before LEOAM_LIBRARY and Library.Path, so it is
# not put beside LeoAM.dll by itself.
DLLMAP = f"""<configuration>
  <dllmap os="linux" dll="leoam_csharp" target="runtimes/{RID}/native/libleoam_csharp.so" />
</configuration>
"""


def content_types(names):
    lines = []
    for extension in sorted({pathlib.PurePosixPath(name).suffix[1:] for name in names} - {"", "rels"}):
        lines.append(f'  <Default Extension="{extension}" ContentType="application/octet-stream" />')
    for name in sorted(names):
        if not pathlib.PurePosixPath(name).suffix:
            lines.append(f'  <Override PartName="/{name}" ContentType="application/octet-stream" />')
    return CONTENT_TYPES.format(types="\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--assembly", type=pathlib.Path, required=True)
    parser.add_argument("--native", nargs="+", required=True)
    arguments = parser.parse_args()

    files = {
        "LeoAM.nuspec": NUSPEC.format(version=arguments.version).encode(),
        "_rels/.rels": RELATIONSHIPS.encode(),
        "build/LeoAM.targets": TARGETS.encode(),
        "build/mono/LeoAM.dll.config": DLLMAP.encode(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        "README.md": (ROOT / "bindings" / "csharp" / "README.md").read_bytes(),
        "lib/netstandard2.0/LeoAM.dll": arguments.assembly.read_bytes(),
        "lib/netstandard2.0/LeoAM.xml": arguments.assembly.with_suffix(".xml").read_bytes(),
    }
    for native in arguments.native:
        name, _, path = native.rpartition("=")
        files[f"runtimes/{RID}/native/{name or pathlib.Path(path).name}"] = pathlib.Path(path).read_bytes()
    files["[Content_Types].xml"] = content_types(files).encode()

    with zipfile.ZipFile(arguments.out, "w", zipfile.ZIP_DEFLATED) as package:
        for name in sorted(files):
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            package.writestr(member, files[name])


if __name__ == "__main__":
    main()
