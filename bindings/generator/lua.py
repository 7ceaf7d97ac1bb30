#!/usr/bin/env python3
"""Makes leoam.lua, one file, of its parts in bindings/lua and of what the headers declare: what LuaJIT's FFI is told of
the C interface, and how the fields of its structs become values of Lua.

usage: lua.py FILE
"""

import pathlib
import sys

import interface
from interface import Array, Name, Pointer, Signature

FOLDER = interface.SOURCE / "bindings" / "lua"
# One chunk of Lua: each part sees the locals of those before, the first those of the declarations.
PARTS = ["head", "base", "library", "model", "session_file", "session", "request"]


def declare(of, name):
    """As C spells it."""
    if isinstance(of, Name):
        return f"{of.name} {name}".rstrip()
    if isinstance(of, Array):
        return declare(of.of, f"{name}[{of.n}]")
    if isinstance(of.to, Signature):
        inside = ", ".join(declare(one, "") for one in of.to.parameters) or "void"
        return declare(of.to.result, f"(*{name})({inside})")
    inner = declare(of.to, f"*{name}")
    return f"const {inner}" if of.const else inner


def functions(c):
    for one in c.functions:
        inside = ", ".join(declare(p.type, p.name) for p in one.parameters) or "void"
        if one.name != "leoam_get_api":
            yield declare(one.result, f"{one.name}({inside})") + ";"


def c_declarations(c):
    yield from (f"typedef struct {one} {one};" for one in c.handles)
    # In an order in which everything is declared before its use.
    plain = [one for one in c.aliases if one.name and isinstance(one.type, Name)]
    pointers = [one for one in c.aliases if one.name and not isinstance(one.type, Name)]
    yield from (f"typedef {declare(one.type, one.name)};" for one in plain)
    yield from (f"typedef struct {one.name} {one.name};" for one in c.structs)
    yield from (f"typedef {declare(one.type, one.name)};" for one in pointers)
    for struct in c.structs:
        yield f"struct {struct.name} {{"
        yield from (f"  {declare(one.type, one.name)};" for one in struct.fields)
        yield "};"
    yield from functions(c)


def flag_names(c, owner):
    """LEOAM_LOAD_HEADER_ONLY is header_only."""
    n_words = 3 if owner.startswith("leoam_session_file") else 2
    flags = [one for one in c.constants if one.owner == owner]
    return {"_".join(one.name.split("_")[n_words:]).lower(): one.value for one in flags}


def kind(c, field):
    of = field.type
    if field.name in ("struct_size", "reserved"):
        return None
    if field.name == "flags":
        return "flags"
    if isinstance(of, Array):
        return {"char": "text", "uint8_t": "bytes"}.get(of.of.name, "numbers")
    if isinstance(of, Pointer):
        return "pointer"
    if of.name == "leoam_string":
        return "string"
    aliases = {one.name: one for one in c.aliases}
    if of.name in aliases and isinstance(aliases[of.name].type, Pointer):
        return "pointer"
    return of.name if of.name in aliases else "number"


def table(values):
    return "{" + ", ".join(f"{name} = {value}" for name, value in values.items()) + "}"


def lua_tables(c):
    version = next(one.value for one in c.constants if one.name == "LEOAM_API_VERSION")
    yield f"local API_VERSION = {version}"
    parts = {one.name: one.value for one in c.constants if one.name.startswith("LEOAM_VERSION_")}
    yield 'local VERSION = "{LEOAM_VERSION_MAJOR}.{LEOAM_VERSION_MINOR}.{LEOAM_VERSION_PATCH}"'.format(**parts)
    yield "local enums = {"
    for alias in c.aliases:
        if alias.name and alias.values:
            shortest = min(len(one.name.split("_")) for one in alias.values)
            common = alias.values[0].name.split("_")[: shortest - 1]
            while not all(one.name.split("_")[: len(common)] == common for one in alias.values):
                common = common[:-1]
            names = {"_".join(one.name.split("_")[len(common) :]).lower(): one.value for one in alias.values}
            # A key of a table has to be a name.
            names = {f'["{name}"]' if name[0].isdigit() else name: value for name, value in names.items()}
            yield f"  {alias.name} = {table(names)},"
    yield "}"
    yield "local structs = {"
    for struct in c.structs:
        kinds = {one.name: f'"{kind(c, one)}"' for one in struct.fields if kind(c, one)}
        flags = flag_names(c, struct.name)
        yield f"  {struct.name} = {{"
        yield f"    fields = {table(kinds)},"
        yield f"    flags = {table(flags)},"
        yield "  },"
    yield "}"
    yield "local function_flags = {"
    for name in dict.fromkeys(one.owner for one in c.constants if one.owner):
        if name in (one.name for one in c.functions):
            yield f"  {name} = {table(flag_names(c, name))},"
    yield "}"


def wrap(line, width=110):
    """Long tables and declarations in several lines."""
    while len(line) > width:
        at = line.rfind(", ", 0, width) + 1
        yield line[:at]
        line = "      " + line[at + 1 :]
    yield line


def declarations():
    c = interface.read()
    lines = ["ffi.cdef [[", *c_declarations(c), "]]", *lua_tables(c)]
    return "".join(part + "\n" for line in lines for part in wrap(line))


def main():
    parts = [(FOLDER / f"{name}.lua").read_text() for name in PARTS]
    pathlib.Path(sys.argv[1]).write_text("\n".join([parts[0], declarations(), *parts[1:]]))


if __name__ == "__main__":
    main()
