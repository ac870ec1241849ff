"""Whoever installs urban-gateway[sim] has what the simulator imports, on either level."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIM = ROOT / "gateway" / "sim"
OURS = {"gateway", "drivers", "ugw_flash", "_typeshed"}
# Imported as another name than it is installed by, or brought by one that is named.
BROUGHT = {"pydantic_core": "pydantic", "ruamel": "ruamel-yaml", "serial": "pyserial"}


def imported(folder: str) -> Iterator[str]:
    for path in (SIM / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (each.name for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module


def test_what_is_imported_is_a_dependency_or_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["sim"]
    named = {re.split(r"[>=<\[]", each)[0] for each in wanted}
    folders = ("expectations", "fixtures", "inside", "process", "scenario", "theatre", "verbs")
    tops = {name.split(".")[0] for folder in folders for name in imported(folder)}
    theirs = tops - set(sys.stdlib_module_names) - OURS
    assert "jsonschema" in theirs
    assert {BROUGHT.get(each, each.replace("_", "-")) for each in theirs} <= named
