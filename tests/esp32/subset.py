"""The subset of Python that MicroPython runs as CPython does, as rules over a syntax tree.

Each rule is one way in which a file that CPython runs fails on the chip or, worse, does something
else there. What only mpy-cross can tell is left to it (tests/flash/test_compile.py).
"""

import ast
import io
import tokenize
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Found(NamedTuple):
    """A place that breaks a rule."""

    line: int
    rule: str


# Modules of MicroPython 1.25 on an ESP32, with what of them the agent may use.
BUILTIN = frozenset(
    (
        "array",
        "asyncio",
        "binascii",
        "bluetooth",
        "builtins",
        "collections",
        "cryptolib",
        "errno",
        "esp32",
        "gc",
        "hashlib",
        "io",
        "json",
        "machine",
        "math",
        "micropython",
        "network",
        "os",
        "random",
        "select",
        "socket",
        "struct",
        "sys",
        "time",
        "tls",
        "uctypes",
        "umqtt",
        "umqtt.simple",
        "vfs",
    )
)
_MISSING_METHODS = frozenset(
    (
        "removeprefix",
        "removesuffix",
        "isidentifier",
        "isprintable",
        "isnumeric",
        "isdecimal",
        "isascii",
        "casefold",
        "translate",
        "maketrans",
        "hexdigest",
        "bit_length",
        "bit_count",
        "as_integer_ratio",
        "is_integer",
        "expandtabs",
        "swapcase",
        "title",
        "zfill",
        "ljust",
        "tobytes",
        "cast",
        "toreadonly",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "tell_cast",
    )
)
_MISSING_NAMES = frozenset(
    (
        "ascii",
        "breakpoint",
        "vars",
        "format",
        "BaseExceptionGroup",
        "ExceptionGroup",
        "aiter",
        "anext",
        "WindowsError",
        "ConnectionError",
        "TimeoutError",
        "ConnectionResetError",
        "FileNotFoundError",
        "PermissionError",
    )
)
_KEYWORDS_IGNORED = {
    "from_bytes": "int.from_bytes takes no keywords: signed is ignored there",
    "to_bytes": "int.to_bytes takes no keywords: signed is ignored there",
    "dumps": "json.dumps knows separators only",
    "unpack_from": "struct takes no keywords",
    "pack_into": "struct takes no keywords",
    "split": "str.split takes no keywords",
    "rsplit": "str.rsplit takes no keywords",
    "replace": "str.replace takes no keywords",
    "encode": "str.encode takes no keywords",
    "decode": "bytes.decode takes no keywords",
    "find": "str.find takes no keywords",
}
_KEYWORDS_KNOWN = {"dumps": {"separators"}}
_ASYNCIO = frozenset(
    (
        "Event",
        "Lock",
        "StreamReader",
        "StreamWriter",
        "ThreadSafeFlag",
        "CancelledError",
        "TimeoutError",
        "Task",
        "create_task",
        "current_task",
        "gather",
        "get_event_loop",
        "new_event_loop",
        "open_connection",
        "run",
        "sleep",
        "sleep_ms",
        "start_server",
        "wait_for",
        "wait_for_ms",
    )
)
_DUNDERS = frozenset(
    (
        "__init__",
        "__len__",
        "__getitem__",
        "__setitem__",
        "__delitem__",
        "__contains__",
        "__iter__",
        "__next__",
        "__call__",
        "__enter__",
        "__exit__",
        "__aenter__",
        "__aexit__",
        "__aiter__",
        "__anext__",
        "__eq__",
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__add__",
        "__sub__",
        "__repr__",
        "__str__",
        "__hash__",
        "__bool__",
        "__getattr__",
        "__del__",
    )
)

Rule = Callable[[ast.AST], Iterator[str]]


def found_in(tree: ast.Module, *, floats: bool = False) -> list[Found]:
    """Return what breaks a rule, in order; `floats`: literals of theirs are allowed."""
    rules = [rule for rule in RULES if not (floats and rule is _floats)]
    skipped = set(_unseen(tree))
    return sorted(
        Found(getattr(node, "lineno", 0), why)
        for node in ast.walk(tree)
        if id(node) not in skipped
        for rule in rules
        for why in rule(node)
    )


def joined_in(text: str) -> list[Found]:
    """Return where an f-string touches a plain literal with braces in it.

    MicroPython makes one literal of them before it formats: those braces are read as fields. A
    tree does not show it, as CPython has joined them there.
    """
    found, run = [], []
    for token in _literals(text):
        if token is not None:
            run.append(token)
            continue
        plain = [literal for _, literal, is_formatted in run if not is_formatted]
        if len(plain) < len(run) and any("{" in each or "}" in each for each in plain):
            found.append(
                Found(run[0][0], "MicroPython formats what stands beside an f-string too")
            )
        run = []
    return found


def _literals(text: str) -> Iterator[tuple[int, str, bool] | None]:
    """Yield line, text and whether it is an f-string of each literal; None between two apart."""
    depth = 0  # within f-strings, which Python 3.12 takes apart
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            depth += 1
            if depth == 1:
                yield token.start[0], "", True
        elif name == "FSTRING_END":
            depth -= 1
        elif depth or name in {"NL", "COMMENT"}:
            continue
        elif name == "STRING":
            prefix = token.string[: min(token.string.find(mark) % 99 for mark in "'\"")].lower()
            yield token.start[0], token.string, "f" in prefix
        else:
            yield None


def _unseen(tree: ast.Module) -> Iterator[int]:
    """Return the nodes that MicroPython never evaluates: annotations, what checkers need."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            parts.append(node.annotation)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name):
            parts += node.body if node.test.id == "TYPE_CHECKING" else []
        for part in parts:
            if part is not None:
                yield from (id(each) for each in ast.walk(part))


def _imports(node: ast.AST) -> Iterator[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        if node.level:
            yield "imports are absolute"
        names = [node.module or ""]
        if any(alias.name == "*" for alias in node.names):
            yield "a star import takes the memory of all there is"
    for name in names:
        if name.partition(".")[0] not in ("gateway", "drivers") and name not in BUILTIN:
            yield f"MicroPython has no module {name}"


def _syntax(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Match):
        yield "MicroPython has no match"
    if isinstance(node, ast.TryStar):
        yield "MicroPython has no except*"
    if isinstance(node, ast.arguments) and node.posonlyargs:
        yield "MicroPython has no positional-only arguments"
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and _is_starred(node):
        yield "MicroPython has no * in displays"
    if isinstance(node, ast.ClassDef) and node.keywords:
        yield "MicroPython has no metaclasses"
    if isinstance(node, ast.Dict) and None in node.keys:
        yield "MicroPython has no ** in displays"


def _is_starred(node: ast.List | ast.Tuple | ast.Set) -> bool:
    is_target = not isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
    return not is_target and any(isinstance(each, ast.Starred) for each in node.elts)


def _with(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.With | ast.AsyncWith):
        last = node.items[-1]
        end = last.optional_vars or last.context_expr
        head = node.items[0].context_expr
        if len(node.items) > 1 and end.end_lineno != head.lineno:
            yield "MicroPython has no parentheses around what stands behind with"


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and node.attr in _MISSING_METHODS:
        yield f"MicroPython has no .{node.attr}"
    if isinstance(node, ast.Name) and node.id in _MISSING_NAMES:
        yield f"MicroPython has no {node.id}"
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "asyncio" and node.attr not in _ASYNCIO:
            yield f"MicroPython has no asyncio.{node.attr}"
        if node.value.id == "os" and node.attr in ("path", "environ", "fsync", "replace"):
            yield f"MicroPython has no os.{node.attr}"
        if node.value.id == "hashlib" and node.attr != "sha256":
            yield f"MicroPython has no hashlib.{node.attr}"


def _calls(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    given = {keyword.arg for keyword in node.keywords}
    if name in _KEYWORDS_IGNORED and given - _KEYWORDS_KNOWN.get(name, set()):
        yield _KEYWORDS_IGNORED[name]
    if name == "from_bytes" and len(node.args) > 2:
        yield _KEYWORDS_IGNORED[name]


def _struct(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    formats = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
    is_struct = node.func.attr in ("unpack", "unpack_from", "pack", "pack_into", "calcsize")
    if is_struct and any("?" in text for text in formats if isinstance(text, str)):
        yield 'MicroPython\'s struct has no "?"'


def _functions(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    given = {keyword.arg for keyword in node.keywords}
    if isinstance(node.func, ast.Name) and node.func.id == "zip" and "strict" in given:
        yield "MicroPython's zip takes no strict"
    if isinstance(node.func, ast.Name) and node.func.id == "deque" and len(node.args) < 2:
        yield "MicroPython's deque needs its length"


def _floats(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
        yield "a float has 24 bits on the chip: integers are exact"
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        yield "/ makes a float, which has 24 bits on the chip: use //"


def _f_strings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FormattedValue):
        if node.conversion == ord("a"):
            yield "MicroPython's f-strings have no !a"
        for part in ast.walk(node.value):
            if isinstance(part, ast.JoinedStr):
                yield "MicroPython's f-strings hold no f-strings"


def _classes(node: ast.AST) -> Iterator[str]:
    for each in node.body if isinstance(node, ast.ClassDef) else ():
        name = each.name if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) else ""
        if name.startswith("__") and name.endswith("__") and name not in _DUNDERS:
            yield f"MicroPython never calls {name}"


def _evaluated_types(node: ast.AST) -> Iterator[str]:
    """`X = dict[str, int]` at run time: builtins cannot be subscripted there."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        name = node.value.id
        if name in ("dict", "list", "tuple", "set", "type", "frozenset"):
            yield f"MicroPython has no {name}[...] outside annotations"


RULES: tuple[Rule, ...] = (
    _imports,
    _syntax,
    _with,
    _names,
    _calls,
    _struct,
    _functions,
    _floats,
    _f_strings,
    _classes,
    _evaluated_types,
)
