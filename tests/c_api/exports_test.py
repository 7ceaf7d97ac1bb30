"""The list of functions, the version script, the header, its table and the binary name the same functions.

usage: exports_test.py LIBRARY C_API_DIR
"""

import pathlib
import re
import sys
import unittest

import header

LIBRARY = sys.argv[1]
C_API = pathlib.Path(sys.argv[2])


class Exports(unittest.TestCase):
    def setUp(self):
        self.declared = header.Header(C_API / "include")
        self.listed = header.listed_functions(C_API / "src" / "functions.inc")

    def test_the_list_is_the_table_in_its_order(self):
        members = self.declared.structs["leoam_api"]
        self.assertEqual(["struct_size", "api_version"], members[:2])
        self.assertEqual(self.listed, ["leoam_" + name for name in members[2:]])

    def test_the_header_declares_the_list_and_the_entry(self):
        self.assertCountEqual(self.listed + ["leoam_get_api"], self.declared.functions)

    def test_the_version_script_names_the_list_and_the_entry(self):
        names = re.findall(r"\b(leoam_\w+);", (C_API / "leoam.map").read_text())
        self.assertCountEqual(self.listed + ["leoam_get_api"], names)

    def test_the_binary_exports_the_list_and_the_entry(self):
        rows = [line.split() for line in header.output("nm", "-D", "--defined-only", LIBRARY).splitlines()]
        names = [row[-1].split("@")[0] for row in rows if row[-2] != "A"]  # A: the version node itself
        self.assertCountEqual(self.listed + ["leoam_get_api"], names)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
