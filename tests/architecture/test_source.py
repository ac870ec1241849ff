"""Rules of the house that no linter knows: each finds its breaches and says the remedy.

A rule is a function from a module to its findings. Each is first shown a module that breaks it.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_FUNCTION_LINES = 40
MAX_FILE_LINES = 400

# Who may catch everything, and why.
CATCHES_EVERYTHING = {
    "gateway/app.py": "where the agent ends it reports what nobody foresaw",
    "gateway/conformance/checks.py": "whatever a driver raises is what the suite looks for",
    "gateway/conformance/on_micropython.py": "the same, on the other interpreter",
    "gateway/esp32/boot.py": "whatever ends a version, the board starts anew",
    "gateway/esp32/main.py": "whatever ends a task is said, and the board starts anew",
    "gateway/esp32/pipeline.py": "importing and calling a driver, as gateway/foreign.py",
    "gateway/esp32/poll.py": "the same",
    "gateway/foreign.py": "calling a driver runs somebody else's code, which is told its faults",
    "gateway/registry.py": "importing a driver runs somebody else's code, which is quarantined",
    "gateway/sim/models/__init__.py": "importing a model runs somebody else's code",
    "gateway/sim/board/bluetooth.py": "the chip says what an interrupt raises, and goes on",
}
# Where a test may let time pass, and why: that something does not happen has no condition.
LETS_TIME_PASS = {
    "tests/esp32/test_board.py": "a watchdog that is fed ends nothing",
    "tests/esp32/test_uplink.py": "a frozen broker acknowledges nothing",
    "tests/hardware/esp32_board.py": "a button is held down for a moment",
    "tests/mqtt/test_connection.py": "a frozen broker acknowledges nothing, a black hole nobody",
    "tests/sim/test_inside_bluetooth.py": "on virtual time nobody waits",
    "tests/sim/test_inside_link.py": "the same, and of the real one the same is asked",
    "tests/sim/test_inside_loop.py": "it is about that time",
    "tests/soak/agent.py": "it lets an agent run for as long as one likes",
    "tests/soak/rounds.py": "the same",
}
# What the ESP32 runs, and all it may import besides gateway.core. `struct` differs silently
# between the interpreters where bytes are missing, so one module alone touches it.
SHARED = ("gateway/core/", "drivers/ble/", "drivers/lora/", "drivers/modem/")
ON_BOTH_INTERPRETERS = {"binascii", "hashlib"}
TOUCHES_STRUCT = "gateway/core/fields.py"
# Where tasks have no names: MicroPython's asyncio knows none.
ON_MICROPYTHON = ("gateway/esp32/", "gateway/sim/board/")
# Names under which unrelated things gather.
NAMES_OF_NOTHING = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}
# Packages the ESP32 imports on its way to what it shares.
EMPTY = {"gateway/__init__.py", "drivers/__init__.py"}


class Module(msgspec.Struct, frozen=True, dict=True):
    """One source file: its path from the root, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text, self.path)

    @property
    def is_test(self) -> bool:
        """Whether it stands under tests/."""
        return self.path.startswith("tests/")


Rule = Callable[[Module], Iterator[str]]


def _modules() -> Iterator[Module]:
    found = sorted(
        path for top in ("gateway", "drivers", "tests") for path in ROOT.glob(f"{top}/**/*.py")
    )
    for path in found:
        yield Module(str(path.relative_to(ROOT).as_posix()), path.read_text())


# ------------------------------------------------------------------------------------------- shape
def functions_are_short(module: Module) -> Iterator[str]:
    """Split it by what a reader asks; give the part a name that answers."""
    if module.is_test:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - _first_line(node) + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{module.path}:{node.lineno}: {node.name} has {lines} lines"


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return where a reader begins to follow: a command's options and its help are a list."""
    is_command = "typer." in ast.unparse(node.args)
    if not is_command or ast.get_docstring(node) is None or len(node.body) == 1:
        return node.lineno
    return node.body[1].lineno


def files_are_short(module: Module) -> Iterator[str]:
    """Keep one promise per file: move what has another to a file of its own."""
    lines = module.text.count("\n")
    if not module.is_test and lines > MAX_FILE_LINES:
        yield f"{module.path}: {lines} lines"


def a_file_opens_with_its_promise(module: Module) -> Iterator[str]:
    """Say in the first line what the module does, and next what it guarantees or refuses."""
    if module.text.strip() and not ast.get_docstring(module.tree):
        yield f"{module.path}: no docstring"


def what_the_esp32_imports_on_its_way_is_empty(module: Module) -> Iterator[str]:
    """Move it to a module with a name: whatever imports gateway.core runs this file too."""
    if module.path in EMPTY and module.text.strip():
        yield f"{module.path}: not empty"


def names_say_what_is_inside(module: Module) -> Iterator[str]:
    """Name it after what it does; if that takes an `and`, it is two modules."""
    for part in PurePosixPath(module.path).with_suffix("").parts:
        if part in NAMES_OF_NOTHING:
            yield f"{module.path}: {part}"


# ------------------------------------------------------------------------------------------ habits
def nothing_is_swallowed(module: Module) -> Iterator[str]:
    """Catch what you expect and count it; a bug must crash, or be handed on as it is."""
    if module.is_test or module.path in CATCHES_EVERYTHING:
        return
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.ExceptHandler)
            and _catches_everything(node)
            and not _hands_on(node)
        ):
            yield f"{module.path}:{node.lineno}: catches everything"


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(
        isinstance(node, ast.Name) and node.id in {"Exception", "BaseException"}
        for node in ast.walk(handler.type)
    )


def _hands_on(handler: ast.ExceptHandler) -> bool:
    """Whether it ends in a bare `raise`, or gives the error to whoever awaits a future."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise):
        return last.exc is None
    return isinstance(last, ast.Expr) and "set_exception" in ast.unparse(last)


def a_test_waits_for_conditions(module: Module) -> Iterator[str]:
    """Wait in a `while` that asks for what you wait for; its limit is only a hang guard."""
    if not module.is_test or module.path in LETS_TIME_PASS:
        return
    nodes = list(ast.walk(module.tree))
    loops = [node for node in nodes if isinstance(node, ast.While)]
    polling = {id(node) for loop in loops for node in ast.walk(loop)}
    for node in nodes:
        if isinstance(node, ast.Call) and _sleeps(node) and id(node) not in polling:
            yield f"{module.path}:{node.lineno}: sleeps instead of waiting for a condition"


def _sleeps(call: ast.Call) -> bool:
    named = isinstance(call.func, ast.Attribute | ast.Name) and ast.unparse(call.func)
    # sleep(0) waits for nothing: it lets the other tasks run.
    gives_way = (
        len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
    )
    return named in {"asyncio.sleep", "time.sleep", "sleep"} and not gives_way


def shared_code_imports_what_both_interpreters_have(module: Module) -> Iterator[str]:
    """Do without, or move it to where only the Pi runs it; gateway.core.fields reads bytes."""
    if not module.path.startswith(SHARED):
        return
    for line, name in _imports(module.tree):
        allowed = name.startswith("gateway.core") or name in ON_BOTH_INTERPRETERS
        if not allowed and not (name == "struct" and module.path == TOUCHES_STRUCT):
            yield f"{module.path}:{line}: imports {name}"


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "."


def every_task_has_an_owner_and_a_name(module: Module) -> Iterator[str]:
    """Start it in a TaskGroup, or hold it, and name it: else it vanishes with its error."""
    if module.is_test:
        return
    nodes = list(ast.walk(module.tree))
    dropped = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".create_task"):
            is_named = "name" in {keyword.arg for keyword in node.keywords}
            if not is_named and not module.path.startswith(ON_MICROPYTHON):
                yield f"{module.path}:{node.lineno}: a task without a name"
            if ast.unparse(node.func).startswith("asyncio.") and id(node) in dropped:
                yield f"{module.path}:{node.lineno}: a task without an owner"


# ------------------------------------------------------------------------------------------- tests
COMMAND = "def f(\n" + "\n" * 50 + "a: A[int, typer.Option()] = 0):\n '''Say.'''\n"
BREACHES: list[tuple[Rule, Module]] = [
    (
        functions_are_short,
        Module("gateway/long.py", "def f():\n" + " pass\n" * MAX_FUNCTION_LINES),
    ),
    (functions_are_short, Module("gateway/cli/long.py", COMMAND + " pass\n" * 41)),
    (files_are_short, Module("drivers/ble/long.py", "\n" * (MAX_FILE_LINES + 1))),
    (a_file_opens_with_its_promise, Module("gateway/silent.py", "x = 1\n")),
    (what_the_esp32_imports_on_its_way_is_empty, Module("gateway/__init__.py", "import typing\n")),
    (names_say_what_is_inside, Module("gateway/utils.py", "")),
    (names_say_what_is_inside, Module("tests/helpers/fakes.py", "")),
    (nothing_is_swallowed, Module("gateway/a.py", "try: f()\nexcept Exception: g()\n")),
    (
        nothing_is_swallowed,
        Module("gateway/a.py", "try: f()\nexcept (OSError, BaseException): g()\n"),
    ),
    (nothing_is_swallowed, Module("gateway/a.py", "try: f()\nexcept: g()\n")),
    (a_test_waits_for_conditions, Module("tests/test_a.py", "import time\ntime.sleep(1)\n")),
    (
        a_test_waits_for_conditions,
        Module("tests/test_a.py", "for n in x: await asyncio.sleep(n)\n"),
    ),
    (
        shared_code_imports_what_both_interpreters_have,
        Module("gateway/core/a.py", "import random\n"),
    ),
    (
        shared_code_imports_what_both_interpreters_have,
        Module("drivers/ble/a.py", "import struct\n"),
    ),
    (
        shared_code_imports_what_both_interpreters_have,
        Module("drivers/ble/a.py", "from gateway import model\n"),
    ),
    (every_task_has_an_owner_and_a_name, Module("gateway/a.py", "x = asyncio.create_task(f())")),
    (
        every_task_has_an_owner_and_a_name,
        Module("gateway/a.py", "asyncio.create_task(f(), name='f')"),
    ),
    (every_task_has_an_owner_and_a_name, Module("gateway/a.py", "group.create_task(f())")),
    (
        every_task_has_an_owner_and_a_name,
        Module("gateway/esp32/a.py", "asyncio.create_task(f())"),
    ),
]
RULES = list(dict.fromkeys(rule for rule, _ in BREACHES))
KEPT: list[tuple[Rule, Module]] = [
    (
        every_task_has_an_owner_and_a_name,
        Module("gateway/esp32/a.py", "x = asyncio.create_task(f())"),
    ),
    (
        every_task_has_an_owner_and_a_name,
        Module("gateway/a.py", "group.create_task(f(), name='f')"),
    ),
    (
        functions_are_short,
        Module("gateway/a.py", "def f():\n" + " pass\n" * (MAX_FUNCTION_LINES - 1)),
    ),
    (functions_are_short, Module("gateway/cli/a.py", COMMAND + " pass\n" * MAX_FUNCTION_LINES)),
    (
        nothing_is_swallowed,
        Module("gateway/a.py", "try: f()\nexcept BaseException:\n g()\n raise\n"),
    ),
    (
        a_test_waits_for_conditions,
        Module("tests/test_a.py", "while not done(): time.sleep(0.01)\n"),
    ),
    (a_test_waits_for_conditions, Module("tests/test_a.py", "await asyncio.sleep(0)\n")),
    (shared_code_imports_what_both_interpreters_have, Module(TOUCHES_STRUCT, "import struct\n")),
]


@pytest.mark.parametrize(("rule", "breach"), BREACHES)
def test_a_rule_sees_its_breach(rule: Rule, breach: Module) -> None:
    assert list(rule(breach))


@pytest.mark.parametrize(("rule", "module"), KEPT)
def test_a_rule_lets_good_sense_pass(rule: Rule, module: Module) -> None:
    assert not list(rule(module))


@pytest.fixture(scope="module")
def findings() -> dict[Rule, list[str]]:
    """Show each module to every rule, so that it is parsed once."""
    found: dict[Rule, list[str]] = {rule: [] for rule in RULES}
    for module in _modules():
        for rule in RULES:
            found[rule] += rule(module)
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule, findings: dict[Rule, list[str]]) -> None:
    found = findings[rule]
    assert not found, "\n".join([*found, f"The remedy: {rule.__doc__}"])
