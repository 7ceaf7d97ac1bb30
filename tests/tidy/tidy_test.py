"""Runs the rules of checks.py over the project, after showing that each rule finds what it is for.

usage: tidy_test.py ROOT COMPILE_COMMANDS
"""

import json
import os
import re
import sys
import unittest

import checks
import source

ROOT, COMPILE_COMMANDS = sys.argv[1:3]


def found(check, path, text):
    return [message for _, message in check(path, text)]


class Tree(unittest.TestCase):
    def assert_clean(self, check):
        wrong = [
            f"{path}:{line}: {message}"
            for path in source.files(ROOT)
            for line, message in check(path, source.read(ROOT, path))
        ]
        self.assertEqual([], wrong, "\n" + "\n".join(wrong))

    def test_every_source_is_built(self):
        with open(COMPILE_COMMANDS, encoding="utf-8") as file:
            built = {os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT) for entry in json.load(file)}
        # The programs outside the tree are built by the install test.
        outside = ("samples/", "tests/install/", "bindings/")
        forgotten = [p for p in source.files(ROOT, (".cc", ".c")) if p not in built and not p.startswith(outside)]
        self.assertEqual([], forgotten, "no target builds these")

    def test_readme_is_short_and_shows_the_sample(self):
        readme = source.read(ROOT, "README.md")
        self.assertLessEqual(len(readme.splitlines()), 150)
        shown = readme.split("```c\n")[1].split("```")[0]
        self.assertEqual(source.read(ROOT, "samples/c/answer.c"), shown)

    def test_documents_point_at_what_exists(self):
        for document in source.files(ROOT, (".md",)):
            for target in re.findall(r"\]\(([^)#:]+)\)", source.read(ROOT, document)):
                path = os.path.join(ROOT, os.path.dirname(document), target)
                self.assertTrue(os.path.exists(path), f"{document} points at {target}")


for rule in checks.ALL:
    setattr(Tree, f"test_{rule.__name__}", lambda self, rule=rule: self.assert_clean(rule))


class Rules(unittest.TestCase):
    def test_include_direction(self):
        direction = lambda path, target: found(checks.include_direction, path, f"#include {target}\n")
        self.assertTrue(direction("kernels/norm/a.cc", '"runtime/base/status.h"'))
        self.assertTrue(direction("runtime/io/a.cc", '"runtime/model/gguf.h"'))
        self.assertTrue(direction("runtime/model/a.cc", '"runtime/kv/page_pool.h"'))
        self.assertTrue(direction("runtime/engine/a.cc", '<leoam/leoam.h>'))
        self.assertTrue(direction("c_api/src/a.cc", '"kernels/kv_layout.h"'))
        self.assertTrue(direction("sdk/cli/a.cc", '"runtime/base/status.h"'))
        self.assertTrue(direction("runtime/io/a.cc", '"file.h"'))
        self.assertFalse(direction("runtime/model/gguf.cc", '"runtime/io/file.h"'))
        self.assertFalse(direction("runtime/engine/a.cc", '"kernels/kv_layout.h"'))
        self.assertFalse(direction("c_api/src/a.cc", '"runtime/engine/engine.h"'))
        self.assertFalse(direction("sdk/cli/a.cc", '"leoam/leoam.h"'))
        self.assertFalse(direction("sdk/cli/a.cc", "<CLI/CLI.hpp>"))
        self.assertFalse(direction("sdk/cli/a.cc", '"terminal.h"'))
        self.assertTrue(direction("sdk/cli/a.cc", '"../include/x.h"'))

    def test_link_direction(self):
        link = lambda path, text: found(checks.link_direction, path, text)
        self.assertTrue(link("runtime/io/CMakeLists.txt", "leoam_room(leoam_io SOURCES a.cc\n DEPENDS leoam_model)"))
        self.assertTrue(link("sdk/CMakeLists.txt", "target_link_libraries(leoam_cli PRIVATE leoam_engine)"))
        self.assertFalse(link("runtime/io/CMakeLists.txt", "leoam_room(leoam_io SOURCES a.cc DEPENDS leoam_base)"))

    def test_banned_calls(self):
        calls = lambda text, path="runtime/io/a.cc": found(checks.banned_calls, path, text)
        for text in ("std::abort();", "  exit (1);", 'printf("x");', "std::cout << 1;", "::signal(2, h);", "x = atof(s);",
                     'setlocale(0, "");', 'getenv("A");', "throw 1;", "static thread_local int x;",
                     "if (x) return exit(6);", "else abort();"):
            self.assertTrue(calls(text), text)
        for text in ("// abort()", '"exit(1)"', "region.exit(1);", "pool->abort();", "fmt::format(x)", "/* throw */", "print_it(x)",
                     'R"(printf("x"))"', "const auto n = 1'000'000; // x'",
                     "Status exit(int line) const;"):
            self.assertFalse(calls(text), text)
        self.assertFalse(calls("inline constinit thread_local int depth = 0;"))
        self.assertFalse(calls('getenv("LEOAM_CPU")', "runtime/engine/engine.cc"))
        self.assertFalse(calls('printf("x");', "sdk/cli/main.cc"))

    def test_the_rest(self):
        self.assertTrue(found(checks.length, "a.cc", "x\n" * 601))
        self.assertFalse(found(checks.length, "a.cc", "x\n" * 600))
        self.assertTrue(found(checks.unfinished_words, "a.cc", "// TO" "DO"))
        self.assertTrue(found(checks.header_guard, "a.h", "int a;\n"))
        self.assertTrue(found(checks.whitespace, "a.cc", "int a; \n"))
        self.assertTrue(found(checks.whitespace, "a.cc", "int a;"))

    def test_stripping_keeps_line_numbers(self):
        text = '/* a\nb */ x\n"s" R"(1\n2)" y\n'
        stripped = source.without_comments_and_strings(text)
        self.assertEqual(text.count("\n"), stripped.count("\n"))
        self.assertIn("y", stripped)
        self.assertNotIn("b */", stripped)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
