"""What the shared library asks of a host and what it gives: the C library family, and leoam_* alone.

usage: library_test.py LIBRARY
"""

import re
import subprocess
import sys
import unittest

LIBRARY = sys.argv[1]

NEEDED = re.compile(r"^(libc|libm|libpthread|libdl|librt|ld-linux[-\w]*)\.so\.\d+$")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Library(unittest.TestCase):
    def test_needs_the_c_library_family_only(self):
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", LIBRARY))
        self.assertTrue(needed)
        self.assertEqual([], [name for name in needed if not NEEDED.match(name)])

    def test_what_it_loads_resolves_to_the_same_family(self):
        loaded = [line.split()[0].split("/")[-1] for line in output("ldd", LIBRARY).splitlines()]
        self.assertEqual([], [name for name in loaded if not NEEDED.match(name) and name != "linux-vdso.so.1"])

    def test_exports_leoam_functions_and_nothing_else(self):
        rows = [line.split() for line in output("nm", "-D", "--defined-only", LIBRARY).splitlines()]
        names = {row[-1].split("@")[0]: row[-2] for row in rows}
        self.assertIn("leoam_get_api", names)
        # A version node of the map is an absolute symbol, not code.
        self.assertEqual({}, {n: kind for n, kind in names.items() if kind != "A" and not (n.startswith("leoam_") and kind == "T")})

    def test_can_be_unloaded(self):
        # A unique symbol keeps a library mapped for good; see the loader's handling of STB_GNU_UNIQUE.
        self.assertNotIn(" UNIQUE ", output("readelf", "-W", "--dyn-syms", LIBRARY))
        self.assertNotIn("NODELETE", output("readelf", "-dW", LIBRARY))

    def test_is_hardened_and_bound_to_itself(self):
        dynamic = output("readelf", "-dW", LIBRARY)
        for word in ("BIND_NOW", "SYMBOLIC", "(SONAME)"):
            self.assertIn(word, dynamic)
        self.assertNotIn("TEXTREL", dynamic)
        for tag in ("RPATH", "RUNPATH"):
            self.assertNotIn(f"({tag})", dynamic)
        headers = output("readelf", "-lW", LIBRARY)
        self.assertIn("GNU_RELRO", headers)
        self.assertRegex(headers, r"GNU_STACK.* RW ")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
