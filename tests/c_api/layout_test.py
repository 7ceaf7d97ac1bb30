"""Size and offsets of every struct and the value of every constant against layout.golden: the binary promise. A
change of an existing line breaks programs that are already compiled; only appended lines are allowed.

usage: layout_test.py CC INCLUDE GOLDEN [--update]
"""

import pathlib
import sys
import tempfile

import header


def measure(compiler, include):
    """The lines of the golden file, as the compiler lays the header out."""
    declared = header.Header(include)
    program = ["#include <leoam/leoam.h>", "#include <stddef.h>", "#include <stdio.h>", "int main(void) {"]
    for name, fields in declared.structs.items():
        program.append(f'  printf("{name} size %zu\\n", sizeof({name}));')
        for field in fields:
            size = f"sizeof((({name}*)0)->{field})"
            program.append(f'  printf("{name}.{field} offset %zu size %zu\\n", offsetof({name}, {field}), {size});')
    for name in declared.constants:
        program.append(f'  printf("{name} = %lld\\n", (long long){name});')
    program += ["  return 0;", "}"]
    with tempfile.TemporaryDirectory() as work:
        source = pathlib.Path(work, "layout.c")
        source.write_text("\n".join(program) + "\n")
        header.output(compiler, "-std=c11", "-I", include, source, "-o", source.with_suffix(""))
        return header.output(source.with_suffix(""))


def main():
    compiler, include, golden = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    found = measure(compiler, include)
    if "--update" in sys.argv:
        golden.write_text(found)
        return 0
    expected = golden.read_text()
    if found == expected:
        return 0
    expected_lines, found_lines = expected.splitlines(), found.splitlines()
    for line in [line for line in expected_lines if line not in found_lines]:
        print("promised, and gone:", line)
    for line in [line for line in found_lines if line not in expected_lines]:
        print("not in the golden file:", line)
    return 1


if __name__ == "__main__":
    sys.exit(main())
