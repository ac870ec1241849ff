"""A source as an ESP32 gets it: private constants cost it nothing, imports for type checkers go.

`_LIMIT = 5` becomes `_LIMIT = const(5)`: MicroPython's compiler puts the number in place of the
name, and the name itself is not stored. Only what cannot mean anything else is folded: a name that
begins with `_`, is bound once, at the top of its module, to a whole number, and is neither the
name of an argument nor asked for from another module. What stands below `if TYPE_CHECKING:` is
left out. The text is edited where the syntax tree says, and nowhere else.
"""

import ast
from collections import Counter
from collections.abc import Callable, Collection, Iterator

_Both = Callable[[int, int], int]
_OPERATORS: dict[type[ast.operator], _Both] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
    ast.LShift: lambda left, right: left << right,
    ast.RShift: lambda left, right: left >> right,
    ast.BitOr: lambda left, right: left | right,
    ast.BitAnd: lambda left, right: left & right,
    ast.BitXor: lambda left, right: left ^ right,
}
_FOR_CHECKERS = "TYPE_CHECKING"
_MOST_BITS = 64  # of a shift; 1 << 10**9 is no constant anybody means


def parsed(source: str) -> ast.Module:
    """Return the syntax tree of what an ESP32 gets of a source."""
    tree = ast.parse(source)
    tree.body = [statement for statement in tree.body if not _is_for_checkers(statement)]
    return tree


def folded(source: str, asked_for: Collection[str] = ()) -> str:
    """Return the source with its private constants folded, but those `asked_for` from outside."""
    tree = ast.parse(source)
    known: dict[str, int] = {}
    edits: list[tuple[ast.stmt, str]] = []
    names = Counter(_bound(tree))
    for statement in tree.body:
        if _is_for_checkers(statement):
            edits.append((statement, ""))
            continue
        name, value = _assignment(statement)
        if not name.startswith("_") or name.startswith("__") or names[name] != 1:
            continue
        number = None if value is None else _number(value, known)
        if number is not None and name not in asked_for:
            known[name] = number
            edits.append((statement, f"{name} = const({number})"))
    return _edited(source, edits)


def private_names_asked_for(tree: ast.Module) -> Iterator[str]:
    """Return the private names that a module takes from others: `from m import _x`, `m._x`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.name.startswith("_"))
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            yield node.attr


def _is_for_checkers(statement: ast.stmt) -> bool:
    """Whether it is `TYPE_CHECKING = False`, or what stands below `if TYPE_CHECKING:`."""
    match statement:
        case ast.If(test=ast.Name(id=name), orelse=[]):
            return name == _FOR_CHECKERS
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=False)):
            return name == _FOR_CHECKERS
        case _:
            return False


def _bound(tree: ast.Module) -> Iterator[str]:
    """Return every name as often as it is given a meaning anywhere in the module."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.AsyncFunctionDef(name=name) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name
            case ast.Global(names=listed) | ast.Nonlocal(names=listed):
                yield from listed
            case _:
                pass


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
        case _:
            return "", None


def _number(node: ast.expr, known: dict[str, int]) -> int | None:
    """Return what a constant expression is, None where it is none of whole numbers."""
    match node:
        case ast.Constant(value=value) if type(value) is int:
            return value
        case ast.Name(id=name):
            return known.get(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _number(operand, known)
            return None if value is None else -value
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(type(op), _number(left, known), _number(right, known))
        case _:
            return None


def _combined(kind: type[ast.operator], left: int | None, right: int | None) -> int | None:
    if left is None or right is None or kind not in _OPERATORS:
        return None
    if kind in (ast.LShift, ast.RShift) and not 0 <= right <= _MOST_BITS:
        return None
    if kind in (ast.FloorDiv, ast.Mod) and right == 0:
        return None
    return _OPERATORS[kind](left, right)


def _edited(source: str, edits: list[tuple[ast.stmt, str]]) -> str:
    lines = source.encode().splitlines(keepends=True)  # the tree counts columns in bytes
    for node, text in reversed(edits):
        assert node.end_lineno is not None  # noqa: S101 - of every statement that was parsed
        first, last = node.lineno - 1, node.end_lineno - 1
        head, tail = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [head + text.encode() + tail]
    return b"".join(lines).decode()
