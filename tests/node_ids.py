"""Tests by their names, as they stand in their files: nothing is imported, nothing is run.

A name is pytest's node id without parameters, "tests/x/test_y.py::test_name". Of a state machine
of hypothesis (`TestX = X.TestCase`) it is "tests/x/test_y.py::TestX::runTest".
"""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Marked(NamedTuple):
    """A test that there is, and its marks: `long`, `skip`, ..."""

    marks: frozenset[str]


def find(root: Path, test: str) -> Marked | None:
    """Return a test's marks, its file's among them, or None: there is no such test."""
    file, *names = test.split("::")
    path = root / file
    if not (names and path.is_file()):
        return None
    body = _body(path)
    found = _find(body, names)
    return found and Marked(found.marks | frozenset(_of_file(body)))


@cache
def _body(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def _find(body: Sequence[ast.stmt], names: Sequence[str]) -> Marked | None:
    return next((found for statement in body if (found := _look(statement, names))), None)


def _look(statement: ast.stmt, names: Sequence[str]) -> Marked | None:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if names == [name]:
            return Marked(frozenset(_marks(*statement.decorator_list)))
        case ast.ClassDef(name=name, body=inner) if name == names[0]:
            found = _find(inner, names[1:]) if names[1:] else None
            return found and Marked(found.marks | frozenset(_marks(*statement.decorator_list)))
        case ast.Assign(targets=[ast.Name(id=name)]) if names == [name, "runTest"]:
            return Marked(frozenset())
        case _:
            return None


def _of_file(body: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            yield from _marks(statement.value)


def _marks(*expressions: ast.expr) -> Iterator[str]:
    """Yield the X of each `pytest.mark.X` within."""
    for expression in expressions:
        for node in ast.walk(expression):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark":
                yield node.attr
