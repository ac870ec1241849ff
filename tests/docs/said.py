"""What the code says to people, read from its source: texts, with VALUE for what is put in."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

VALUE: Final = "\0"
_ROOT: Final = Path(__file__).resolve().parents[2]
_LETTERS: Final = 6  # a text with fewer would fit everything


@cache
def module(file: str) -> ast.Module:
    """Return a file of the repository, parsed."""
    return ast.parse((_ROOT / file).read_text(encoding="utf-8"))


def texts(tree: ast.AST) -> set[str]:
    """Return every text within, docstrings left out."""
    nodes = list(ast.walk(tree))
    parts = {id(part) for each in nodes if isinstance(each, ast.JoinedStr) for part in each.values}
    parts |= {id(each.value) for each in nodes if isinstance(each, ast.Expr)}
    return {text for each in nodes if id(each) not in parts for text in _text(each)}


def _text(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            said = (p.value if isinstance(p, ast.Constant) else VALUE for p in parts)
            yield "".join(map(str, said))
        case _:
            pass


def arguments(file: str, call: str, place: int = 0) -> set[str]:
    """Return the texts that a file gives to a call, in place or by the name of a variable."""
    found: set[str] = set()
    scopes = ast.walk(module(file))
    for scope in (
        each for each in scopes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ):
        for node in ast.walk(scope):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[*given]) if name == call:
                    found |= texts(_named(scope, given[place]))
                case _:
                    pass
    return found


def _named(scope: ast.AST, given: ast.expr) -> ast.AST:
    """Return what a variable is set to in a function: all of it, where that is done twice."""
    if not isinstance(given, ast.Name):
        return given
    settings = (each for each in ast.walk(scope) if isinstance(each, ast.Assign))
    values = [each.value for each in settings if ast.unparse(each.targets[0]) == given.id]
    return ast.Tuple(elts=values)


def values(file: str, table: str) -> set[str]:
    """Return the texts a file's table holds: causes before their remedies."""
    for node in module(file).body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(values=held))
                | ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(values=held))
            ) if name == table:
                return {text for each in held for text in _first(_resolved(file, each))}
            case _:
                pass
    raise LookupError(table)


def _resolved(file: str, value: ast.expr) -> ast.expr:
    """Return what a name of the module stands for."""
    if not isinstance(value, ast.Name):
        return value
    of_module = (
        each for each in module(file).body if isinstance(each, ast.Assign | ast.AnnAssign)
    )
    set_to = (each.value for each in of_module if value.id in map(ast.unparse, _targets(each)))
    return next(each for each in set_to if each is not None)


def _targets(assignment: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]


def _first(value: ast.expr) -> Iterator[str]:
    yield from _text(value.elts[0] if isinstance(value, ast.Tuple) else value)


def is_said(shown: str, text: str) -> bool:
    """Whether a document shows a text, all of it or its beginning, `...` for what varies."""
    filled = shown.replace("...", "x")
    begun = re.sub(r"(: |, | )?\.\.\.$", "", shown)
    return any(
        re.fullmatch(each, given) for each in _beginnings(text) for given in (filled, begun)
    )


@cache
def _beginnings(text: str) -> list[str]:
    ends = [found.start() for found in re.finditer(r": |, ", text)] + [len(text)]
    begun = [text[:end] for end in ends]
    return [
        re.escape(each).replace(re.escape(VALUE), ".+")
        for each in begun
        if len(re.sub(r"[^a-z]", "", each)) >= _LETTERS
    ]
