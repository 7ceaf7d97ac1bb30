"""What the compiled rooms call and define, as the linker sees it: a source rule cannot see through a macro.

usage: objects_test.py ARCHIVE...
"""

import re
import subprocess
import sys
import unittest

ARCHIVES = sys.argv[1:]

BANNED = re.compile(
    r"^(abort|_?exit|_Exit|quick_exit|raise|v?printf|__v?printf_chk|puts|putchar|perror|stdout|signal|sigaction|setlocale"
    r"|setenv|putenv|unsetenv|system|__assert_fail|std::c(out|err|log|in)\b.*|fmt::v\d+::(detail::)?v?print\b.*)$"
)
# fmt, compiled there as a whole, can print; nobody calls that, and the linker leaves it out.
ALLOWED = {("format.cc.o", "stdout")}


def symbols(archive, *options):
    """(member, type, name) of every symbol."""
    lines = subprocess.run(["nm", "--demangle", *options, archive], check=True, capture_output=True, text=True).stdout
    member = ""
    for line in lines.splitlines():
        if line.endswith(".o:"):
            member = line[:-1]
        match = re.match(r"^[0-9a-f]*\s+([A-Za-z])\s+(.*)$", line)
        if match:
            yield member, match.group(1), match.group(2).split("@")[0]


class Objects(unittest.TestCase):
    def test_rooms_call_nothing_that_touches_the_process(self):
        wrong = [
            f"{a}({m}): {n}"
            for a in ARCHIVES
            for m, _, n in symbols(a, "--undefined-only")
            if BANNED.match(n) and (m, n) not in ALLOWED
        ]
        self.assertEqual([], wrong, "\n" + "\n".join(wrong))

    def test_instruction_set_files_define_nothing_shared(self):
        # An inline function compiled for AVX-512 could be the copy that the linker keeps for every machine.
        wrong = [
            f"{m}: {n}"
            for a in ARCHIVES
            for m, kind, n in symbols(a, "--defined-only")
            if re.search(r"_(avx2|avx512|amx)\.", m) and kind in "WVu"
        ]
        self.assertEqual([], wrong, "\n" + "\n".join(wrong))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
