"""The project's rules as functions: each takes a path and its text and yields (line number, what is wrong)."""

import re

import source

MAX_LINES = 600

# Which parts a part may include. `leoam` is the public header; a name that is not listed may include anything.
_BELOW_DEVICE = {"runtime/io", "runtime/base", "kernels"}
_BELOW_MODEL = _BELOW_DEVICE | {"runtime/store", "runtime/device"}
_BELOW_ENGINE = _BELOW_MODEL | {"runtime/model", "runtime/kv"}
MAY_INCLUDE = {
    "kernels": set(),
    "runtime/base": set(),
    "runtime/io": {"runtime/base"},
    "runtime/store": {"runtime/io", "runtime/base"},
    "runtime/device": _BELOW_DEVICE,
    "runtime/model": _BELOW_MODEL,
    "runtime/kv": _BELOW_MODEL,
    "runtime/engine": _BELOW_ENGINE,
    "c_api": (_BELOW_ENGINE - {"kernels"}) | {"runtime/engine", "leoam"},
    "sdk": {"leoam"},
    "bindings": {"leoam"},
    "samples": {"leoam"},
}
# The target of each room, as leoam_room() and leoam_shared_library() name them.
TARGETS = {"leoam_" + part.split("/")[-1]: part for part in MAY_INCLUDE if part.startswith(("kernels", "runtime"))}

LIBRARY = ("kernels/", "runtime/", "c_api/", "sdk/include/")

# A name in front is a declaration's type, unless it is a keyword.
_CALL = r"(?<![\w.>])(?:(?<![\w>&*] )|(?<=return )|(?<=else ))(?:std::|::)?"
BANNED_CALLS = [
    # It lives in somebody else's process: it never ends it, prints, or changes what belongs to all of it.
    (re.compile(_CALL + r"(?:abort|exit|_exit|_Exit|quick_exit|atexit|terminate|system)\s*\("), "ends or drives the process"),
    (re.compile(_CALL + r"(?:v?f?printf|puts|fputs|putchar|perror)\s*\(|\bstd::(?:cout|cerr|clog|cin)\b|\bfmt::print\b"), "prints"),
    (re.compile(_CALL + r"(?:signal|sigaction|sigprocmask|pthread_sigmask)\s*\("), "touches signals"),
    (re.compile(_CALL + r"(?:setlocale|uselocale|newlocale)\s*\(|\bstd::locale\b"), "touches the locale"),
    (re.compile(_CALL + r"(?:getenv|secure_getenv|setenv|putenv|unsetenv)\s*\("), "touches the environment"),
    # These read the host's locale.
    (re.compile(_CALL + r"(?:strto[dfl]d?|ato[fil]|sto[dfil]|stoll|stoull?|sscanf|v?sn?printf|is(?:alpha|digit|alnum|space|upper|lower|punct|print)|to(?:upper|lower))\s*\("), "depends on the locale"),
    (re.compile(_CALL + r"(?:strerror|strtok|rand|srand|localtime|gmtime)\s*\("), "shares hidden state between threads"),
    (re.compile(r"\bthrow\b"), "throws"),
    # A destructor for the host's thread keeps the library mapped for as long as that thread lives.
    (re.compile(r"(?<!constinit )\b(?:thread_local|__thread)\b"), "only as `constinit thread_local` of a trivial type"),
]
# (path, what the rule says): the one place that may.
ALLOWED_CALLS = {
    ("runtime/engine/engine.cc", "touches the environment"),  # LEOAM_CPU
    ("runtime/io/state_folder.cc", "touches the environment"),  # XDG_STATE_HOME, HOME
    ("runtime/base/signals_blocked.cc", "touches signals"),  # of our own threads
    ("runtime/io/signal_guard.cc", "touches signals"),  # keeps those of our own calls from the host, changes no handler
    ("sdk/include/leoam/detail.hpp", "throws"),  # compiled into the user's program, where errors may be exceptions
}

# Spelled so that this file does not find itself.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|not imple" r"mented|unimple" r"mented|place" r"holder|for n" r"ow)\b", re.IGNORECASE)

_INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def part_of(path):
    """The part that a path belongs to: kernels, runtime/<room>, c_api, sdk, ... or None."""
    if path.startswith("leoam/"):
        return "leoam"
    names = path.split("/")
    part = "/".join(names[:2]) if names[0] == "runtime" else names[0]
    return part if part in MAY_INCLUDE else None


def include_direction(path, text):
    part = part_of(path)
    if part is None or not path.endswith(source.CODE):
        return
    for match in _INCLUDE.finditer(text):
        quote, target = match.groups()
        target_part = part_of(target)
        if target_part is None and quote == "<":
            continue
        # What is built outside our include path may name its neighbours, and nothing else of ours.
        if target_part is None and "/" not in target and MAY_INCLUDE[part] == {"leoam"}:
            continue
        line = text.count("\n", 0, match.start()) + 1
        if target_part is None:
            yield line, f'include "{target}": name it by its path from the root'
        elif target_part != part and target_part not in MAY_INCLUDE[part]:
            yield line, f"{part} must not include {target}"


def link_direction(path, text):
    """The same direction in the targets of CMake."""
    if not path.endswith("CMakeLists.txt"):
        return
    for call in re.finditer(r"\b(leoam_room|leoam_shared_library)\s*\(([^)]*)\)", text):
        words = call.group(2).split()
        part = "c_api" if call.group(1) == "leoam_shared_library" else TARGETS.get(words[0])
        depends = words[words.index("DEPENDS") + 1:] if "DEPENDS" in words else []
        line = text.count("\n", 0, call.start()) + 1
        if part is None:
            yield line, f"{words[0]}: not a known room"
            continue
        for target in depends:
            if target in TARGETS and TARGETS[target] not in MAY_INCLUDE[part]:
                yield line, f"{part} must not link {target}"
    if part_of(path) in ("sdk", "bindings", "samples"):
        rooms = re.compile(r"\b(?:" + "|".join(TARGETS) + r")\b")
        for line, room in source.lines_with(rooms, text):
            yield line, f"{part_of(path)} uses the public library only, not {room}"


def banned_calls(path, text):
    if not path.startswith(LIBRARY) or not path.endswith(source.CODE):
        return
    code = source.without_comments_and_strings(text)
    for pattern, reason in BANNED_CALLS:
        if (path, reason) in ALLOWED_CALLS:
            continue
        for line, found in source.lines_with(pattern, code):
            yield line, f"{found.strip(' (')}: {reason}"


def length(path, text):
    # What a generator writes is read in what it was written from.
    if text.startswith("// @generated "):
        return
    count = len(text.splitlines())
    if count > MAX_LINES:
        yield MAX_LINES, f"{count} lines: a file of more than {MAX_LINES} is two things"


def unfinished_words(path, text):
    for line, word in source.lines_with(UNFINISHED, text):
        yield line, f'"{word}": finish it, or take it out'


def header_guard(path, text):
    # A C header cannot rely on #pragma once with every compiler of its users.
    if path.endswith((".h", ".hpp", ".cuh")) and "#pragma once" not in text and "#ifndef LEOAM_" not in text:
        yield 1, "a header without #pragma once"


def whitespace(path, text):
    for line, _ in source.lines_with(re.compile(r"[ \t]+$|\t(?=\S)"), text):
        yield line, "a tab, or blanks at the end of the line"
    if text and not text.endswith("\n"):
        yield len(text.splitlines()), "no newline at the end"


ALL = [include_direction, link_direction, banned_calls, length, unfinished_words, header_guard, whitespace]
