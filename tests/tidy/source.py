"""The project's own files, as the tidy checks see them."""

import os
import re

CODE = (".cc", ".c", ".h", ".hpp", ".inc", ".cu", ".cuh")
TEXT = CODE + (".py", ".sh", ".cmake", ".java", ".cs", ".rs", ".lua", ".i")
SKIPPED_FOLDERS = re.compile(r"^(\..*|build.*|models|__pycache__|golden|corpus)$")

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|(?:u8|u|U|L)?R"(?P<tag>[^()\s\\]*)\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)


def files(root, suffixes=TEXT):
    """Paths below root, relative, of files whose name ends in one of `suffixes`; CMakeLists.txt counts as .cmake."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not SKIPPED_FOLDERS.match(name))
        for name in sorted(names):
            if name.endswith(suffixes) or (name == "CMakeLists.txt" and ".cmake" in suffixes):
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return found


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def without_comments_and_strings(text):
    """The same text with comments and literals emptied; line numbers stay."""

    def blank(match):
        token = match.group(0)
        newlines = "\n" * token.count("\n")
        return newlines + " " if token.startswith("/") else '""' + newlines

    return _TOKEN.sub(blank, text)


def lines_with(pattern, text):
    """(line number, matched text) of every match."""
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line):
            yield number, match.group(0)
