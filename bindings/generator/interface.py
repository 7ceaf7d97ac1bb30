"""The C interface as data: what SWIG's parser finds in the public headers, with their comments.

The generators of the bindings that SWIG has no back end for read it from here, so that there is one parser
and one description of the interface.
"""

import dataclasses
import pathlib
import re
import subprocess
import tempfile
import xml.etree.ElementTree

SOURCE = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = SOURCE / "c_api" / "include"
# In the order of their declarations; leoam.h includes the others.
HEADERS = ["types.h", "leoam.h", "session.h", "request.h", "store.h", "api.h"]


@dataclasses.dataclass(frozen=True)
class Name:
    """A struct, a handle, an alias or a basic type."""

    name: str


@dataclasses.dataclass(frozen=True)
class Pointer:
    to: object
    const: bool = False


@dataclasses.dataclass(frozen=True)
class Array:
    n: int
    of: object


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a function pointer points to."""

    parameters: tuple
    result: object


@dataclasses.dataclass(frozen=True)
class Item:
    """A field or a parameter."""

    name: str
    type: object
    comment: str = ""


@dataclasses.dataclass(frozen=True)
class Struct:
    name: str
    fields: tuple
    comment: str


@dataclasses.dataclass(frozen=True)
class Alias:
    """A typedef. `values`: of the enumeration that follows an integer type; an enumeration without one has no
    name. `parameter_names`: of a function type."""

    name: str
    type: object
    comment: str
    parameter_names: tuple = ()
    values: tuple = ()


@dataclasses.dataclass(frozen=True)
class Constant:
    """`owner`: of a flag, the struct or the function that takes it."""

    name: str
    value: int
    is_flag: bool
    comment: str
    owner: str = ""


@dataclasses.dataclass(frozen=True)
class Function:
    name: str
    result: object
    parameters: tuple
    comment: str


@dataclasses.dataclass(frozen=True)
class Interface:
    handles: tuple
    structs: tuple
    table: Struct  # leoam_api: pointers to the functions
    aliases: tuple
    constants: tuple
    functions: tuple


def parse_type(text, result=None):
    """SWIG's notation: "p.q(const).leoam_event" is a pointer to a constant one."""
    if text.startswith("p."):
        rest = text[2:]
        const = rest.startswith("q(const).")
        return Pointer(parse_type(rest[len("q(const).") :] if const else rest, result), const)
    if text.startswith("q(const)."):
        return parse_type(text[len("q(const).") :], result)
    if text.startswith("a("):
        n, rest = re.fullmatch(r"a\((\d+)\)\.(.*)", text, re.S).groups()
        return Array(int(n), parse_type(rest, result))
    if text.startswith("f("):
        inside, rest = _parameters(text)
        return Signature(tuple(parse_type(one) for one in inside if one != "void"), parse_type(rest, result))
    name = text.removeprefix("struct ")
    return Name(name) if name else result


def _parameters(text):
    """The parameters of "f(p.void,int).int", and what follows."""
    inside, depth, begin = [], 0, 2
    for at, letter in enumerate(text):
        if letter == "(":
            depth += 1
        elif letter == ")" or (letter == "," and depth == 1):
            if depth == 1 and at > begin:
                inside.append(text[begin:at])
                begin = at + 1
            if letter == ")":
                depth -= 1
            if depth == 0:
                return inside, text[at + 2 :]
    raise ValueError(f"not a function: {text}")


def _attributes(node):
    return {
        one.get("name"): one.get("value")
        for one in node.findall("attributelist/attribute")
    }


def _syntax_tree():
    with tempfile.TemporaryDirectory() as folder:
        module = pathlib.Path(folder) / "leoam.i"
        module.write_text(
            "%module leoam\n#define LEOAM_API\n#define LEOAM_NOEXCEPT\n"
            + "".join(f'%include "leoam/{header}"\n' for header in HEADERS)
        )
        tree = pathlib.Path(folder) / "leoam.xml"
        subprocess.run(
            ["swig", "-xml", "-xmllite", f"-I{INCLUDE}", "-o", tree, module], check=True, cwd=folder
        )
        return xml.etree.ElementTree.parse(tree).getroot()


def _words(comment):
    return " ".join(comment.replace("\n *", "\n").split())


class _Comments:
    """Comments by what they stand before, or, for fields, behind."""

    def __init__(self):
        self.text = "\n".join((INCLUDE / "leoam" / header).read_text() for header in HEADERS)

    def before(self, pattern):
        found = re.search(r"(?m)^/\*((?:[^*]|\*(?!/))*)\*/\n(?:typedef int32_t leoam_\w+;\n)?" + pattern, self.text)
        return _words(found.group(1)) if found else ""

    def of_function(self, name):
        return self.before(rf"LEOAM_API [^;]*?\b{name}\(")

    def of_field(self, struct, name):
        body = re.search(rf"typedef struct {struct} {{\n(.*?)\n}} {struct};", self.text, re.S).group(1)
        found = re.search(rf"\b{name}(?:\[\d+\])?;[ \t]*/\*((?:[^*]|\*(?!/))*)\*/", body)
        return _words(found.group(1)) if found else ""

    def of_value(self, name):
        found = re.search(rf"\b{name} = \d+,?[ \t]*/\*((?:[^*]|\*(?!/))*)\*/", self.text)
        return _words(found.group(1)) if found else ""

    def of_alias(self, name):
        return self.before(rf"typedef (?:int32_t {name};|\w+ \(\*{name}\)\()")

    def constants(self):
        """Macros with a number, which SWIG leaves out where they have a cast."""
        joined = self.text.replace("\\\n", " ")
        owner = ""
        pattern = (
            r"/\* Flags of (\w+)\. \*/"
            r"|#define (LEOAM_\w+)\s+(?:\(\(uint64_t\)(\d+)\)|(\d+))[ \t]*(?:/\*((?:[^*]|\*(?!/))*)\*/)?"
        )
        for new_owner, name, flag, number, comment in re.findall(pattern, joined):
            owner = new_owner or owner
            if name:
                words = _words(comment) or self.before(rf"#define {name}\b")
                if words.startswith("Flags of "):
                    words = ""
                yield Constant(name, int(flag or number), bool(flag), words, owner if flag else "")


def read():
    root = _syntax_tree()
    comments = _Comments()
    structs, aliases, functions, handles = [], [], [], []
    for node in root.iter():
        a = _attributes(node)
        name = a.get("name", "")
        if node.tag == "class":
            fields = []
            for field in node.findall("cdecl"):
                one = _attributes(field)
                of = parse_type(one.get("decl", "") + one["type"])
                fields.append(Item(one["name"], of, comments.of_field(name, one["name"])))
            structs.append(Struct(name, tuple(fields), comments.before(rf"typedef struct {name} {{")))
        elif node.tag == "cdecl" and a.get("kind") == "typedef":
            if a["type"] == f"struct {name}":
                handles.append(name)
                continue
            names = tuple(_attributes(one).get("name") for one in node.findall("attributelist/parmlist/parm"))
            of = parse_type(a["decl"] + a["type"])
            aliases.append(Alias(name, of, comments.of_alias(name), names))
        elif node.tag == "cdecl" and a.get("kind") == "function":
            inside, rest = _parameters(a["decl"] + a["type"])
            names = [_attributes(one).get("name") for one in node.findall("attributelist/parmlist/parm")]
            types = [parse_type(one) for one in inside if one != "void"]
            parameters = tuple(Item(n, t) for n, t in zip(names, types, strict=len(types) > 0))
            functions.append(Function(name, parse_type(rest), parameters, comments.of_function(name)))
        elif node.tag == "enum":
            values = tuple(
                Constant(one["name"], int(one["enumvalue"]), False, comments.of_value(one["name"]))
                for one in map(_attributes, node.findall("enumitem"))
            )
            last = aliases[-1] if aliases else None
            if last and last.type == Name("int32_t") and not last.values:
                aliases[-1] = dataclasses.replace(last, values=values)
            else:
                aliases.append(Alias("", Name("int32_t"), "", (), values))
    names = {one.name for one in structs}
    return Interface(
        tuple(one for one in handles if one not in names),
        tuple(one for one in structs if one.name != "leoam_api"),
        next(one for one in structs if one.name == "leoam_api"),
        tuple(aliases),
        tuple(comments.constants()),
        tuple(functions),
    )
