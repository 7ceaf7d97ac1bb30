"""What the C header declares, read from its text: functions, structs with their fields, constants."""

import pathlib
import re
import subprocess

FILES = ("types.h", "leoam.h", "session.h", "request.h", "store.h", "api.h")


class Header:
    def __init__(self, include):
        text = "".join(pathlib.Path(include, "leoam", name).read_text() for name in FILES)
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        self.functions = re.findall(r"LEOAM_API\s[^;(]*?\b(leoam_\w+)\s*\(", text)
        self.structs = {}
        for name, body in re.findall(r"typedef struct (leoam_\w+) \{(.*?)\n\} \1;", text, flags=re.DOTALL):
            self.structs[name] = [_field(declaration) for declaration in body.split(";") if declaration.strip()]
        enumerators = re.findall(r"\benum \{(.*?)\};", text, flags=re.DOTALL)
        self.constants = re.findall(r"\b(LEOAM_\w+) = ", " ".join(enumerators))
        self.constants += re.findall(r"#define (LEOAM_\w+) \(\(uint64_t\)", text)
        self.constants += ["LEOAM_API_VERSION"]


def _field(declaration):
    pointer = re.search(r"\(\*(\w+)\)\(", declaration)
    return pointer.group(1) if pointer else re.search(r"(\w+)\s*(?:\[\w+\])?\s*$", declaration).group(1)


def listed_functions(source):
    """The names of functions.inc."""
    return ["leoam_" + name for name in re.findall(r"^LEOAM_FUNCTION\((\w+)\)$", source.read_text(), flags=re.MULTILINE)]


def output(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **options).stdout
