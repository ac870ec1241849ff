"""What all tests of the board's modules on CPython have in common."""

import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType, SimpleNamespace

import pytest

from gateway.esp32 import overlay


@cache
def _code(name: str, path: str) -> CodeType | None:
    return SourceFileLoader(name, path).get_code(name)


class _CompiledOnce(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        return _code(fullname, str(self.path))


class _Overlays(MetaPathFinder):
    """Find the board's modules where they are, their text compiled for the first import alone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("gateway.esp32."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _CompiledOnce(fullname, spec.origin)
        return spec


@pytest.fixture(autouse=True)
def _heap_of_a_board_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have overlays collect nothing: after a thousand tests CPython takes a second for it."""
    monkeypatch.setattr(overlay, "gc", SimpleNamespace(collect=lambda: 0))


@pytest.fixture(autouse=True)
def _overlays_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what a store imports for a moment, thousands of times, be compiled for the first."""
    monkeypatch.setattr(sys, "meta_path", [_Overlays(), *sys.meta_path])
