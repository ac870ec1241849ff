"""From a board as it comes to one that delivers: asked, written, verified, started, heard.

Nothing is written to a board that is the wrong one or is locked. What the ROM starts from is
erased first and written last, so that a board whose writing was cut short does not start at all:
it is whole, or it says that it is not.
"""

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from gateway.config.findings import printable
from gateway.errors import UgwError
from ugw_flash.esp32 import files, filesystem, firmware, nvs, partitions, ready
from ugw_flash.esp32.chip import Chip, identify, mac_in, restart
from ugw_flash.esp32.esptool import SLOW, Esptool, PassingError, progress
from ugw_flash.esp32.firmware import Firmware, Piece
from ugw_flash.esp32.partitions import SECTOR
from ugw_flash.esp32.site import SITE, SOFTWARE, Board
from ugw_flash.outcome import BadMaterialError, NoDeviceError, NotWrittenError, RefusedError
from ugw_flash.progress import Watcher

MANIFEST: Final = "ugw.json"  # on the board: what was written to it
SCHEMA: Final = "ugw.board/1"
WAIT_S: Final = 120.0

HALF_WRITTEN: Final = "the board is half written and does not start: the same command begins anew"

_BEGINS: Final = re.compile(r"^Writing '.*?(\d+)\.bin' at ")
_SPARE_BLOCKS: Final = 16  # littlefs needs some to turn round in


class BoardOrder(NamedTuple):
    """What a board is to become."""

    firmware: Path
    sha256: str
    board: Board
    frozen: bool = False
    number: int = 1  # of the version: higher than that of what runs there
    mac: str = ""  # of the board it is meant for; empty: any
    software: str = SOFTWARE
    erase: bool = False  # everything that is on it, first

    def __repr__(self) -> str:
        return f"BoardOrder({self.board!r})"  # the rest has secrets in it


class Bench(NamedTuple):
    """Where it is made."""

    port: str
    esptool: Esptool
    wait_s: float = WAIT_S  # for READY; 0: nobody waits
    mac: str = ""  # of the board there; empty: nobody has asked


class BoardResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What it has become. Nothing in it is secret."""

    gateway: str
    mac: str
    chip: str
    flash_bytes: int
    firmware: str  # "v1.27.0"
    firmware_sha256: str
    software: str
    digest: str  # SHA-256 of its manifest
    ready: bool
    seconds: float


class NotReadyError(UgwError):
    """The board is written and verified whole, and starts, but its READY did not come."""

    def __init__(self, cause: str, remedy: str, result: BoardResult) -> None:
        super().__init__(cause, remedy)
        self.result = result


class Plan(NamedTuple):
    """What is written to a board, in this order."""

    pieces: tuple[Piece, ...]  # the last is what the ROM starts
    digest: str
    free_bytes: int  # of the file system, when the agent has all that it may take

    def __repr__(self) -> str:
        return f"Plan({self.digest[:8]})"  # the rest has secrets in it


def make_board(order: BoardOrder, bench: Bench, watcher: Watcher) -> BoardResult:
    """Make a board: write it, verify it, hear it.

    Raises RefusedError and BadMaterialError before anything is written to it, NotWrittenError and
    NoDeviceError, which say what state it is in, and NotReadyError.
    """
    began_s = time.monotonic()
    read = firmware.read(order.firmware, order.sha256)
    check_material(order, read)
    chip, plan = prepare(order, read, bench, watcher)
    with _interrupted(HALF_WRITTEN):
        write(plan, order, bench._replace(mac=chip.mac), watcher)
    result = BoardResult(
        gateway=order.board.gateway,
        mac=chip.mac,
        chip=chip.description,
        flash_bytes=chip.flash_bytes,
        firmware=read.version,
        firmware_sha256=read.sha256,
        software=order.software,
        digest=plan.digest,
        ready=False,
        seconds=round(time.monotonic() - began_s, 1),
    )
    if not bench.wait_s:
        return result
    with _interrupted("the board is written and verified; nobody waited for its READY"):
        wait_for_ready(result, bench, watcher)
    seconds = round(time.monotonic() - began_s, 1)
    return msgspec.structs.replace(result, ready=True, seconds=seconds)


def prepare(
    order: BoardOrder, read: Firmware, bench: Bench, watcher: Watcher
) -> tuple[Chip, Plan]:
    """Ask a board what it is, and plan what it becomes; where it is refused, let it run on."""
    if not read.is_tried:
        watcher.say(f"Nobody has tried the agent on MicroPython {read.version} yet.")
    watcher.phase("ask the board")
    try:
        with _interrupted("nothing was written to the board; tap its RESET"):
            chip = _identified(bench)
            check_board(order, read, chip)
            return chip, plan_of(order, read, chip.flash_bytes)
    except UgwError:
        restart(bench.esptool, bench.port)
        raise


def _identified(bench: Bench) -> Chip:
    """Ask a board what it is, once more where a reply is lost."""
    try:
        return identify(bench.esptool, bench.port)
    except PassingError:
        pass
    try:
        return identify(bench.esptool, bench.port)
    except PassingError as error:
        raise NoDeviceError(str(error), error.remedy) from None


@contextmanager
def _interrupted(state: str) -> Generator[None]:
    """Have Ctrl-C say what state the board is in then."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        interruption.add_note(state)
        raise


def check_material(order: BoardOrder, read: Firmware) -> None:
    """Raise BadMaterialError where firmware and agent do not go together."""
    if order.frozen and not read.has_agent:
        cause = f"{order.firmware} has no agent in it, and the order says that it has (frozen)"
        raise BadMaterialError(cause, "build it with what ugw flash files --frozen makes")
    if read.has_agent and not order.frozen:
        cause = f"{order.firmware} has an agent in it, which would run instead of this one"
        raise BadMaterialError(cause, "say frozen, or take MicroPython's own firmware")


def check_board(order: BoardOrder, read: Firmware, chip: Chip) -> None:
    """Raise RefusedError or BadMaterialError where this board is not one for this order."""
    if order.mac and order.mac.lower() != chip.mac:
        cause = f"this is the board {chip.mac}, and {order.board.gateway} is {order.mac.lower()}"
        raise RefusedError(cause, "plug in the right board, or correct the sheet")
    if chip.name != read.chip:
        cause = f"the board is an {chip.description}, and the firmware is made for {read.chip}"
        raise BadMaterialError(cause, "take the firmware for this board")
    last = max(each.end for each in read.table)
    needed = max(read.flash_bytes, last)
    if needed > chip.flash_bytes:
        cause = (
            f"the board has {chip.flash_bytes / 2**20:g} MB of flash, and the firmware is made "
            f"for {needed / 2**20:g} MB"
        )
        raise BadMaterialError(cause, "take the firmware for a board with this flash")


def plan_of(order: BoardOrder, read: Firmware, flash_bytes: int) -> Plan:
    """Return what is to be written to a chip of this size. Raises BadMaterialError."""
    board = order.board
    made = dict(board.files)
    version: dict[str, bytes] = {}
    if not order.frozen:
        version = _version(board.drivers, order.number, order.software)
        made |= version
    manifest = _manifest(order, read, made)
    made[MANIFEST] = manifest
    region = partitions.files(read.table, flash_bytes)
    image = filesystem.image(made, region.size)
    parts = filesystem.used(image)
    taken = sum(len(part) for _, part in parts)
    free = region.size - taken - _will_take(board, version)
    if free < 0:
        cause = (
            f"the file system of {region.size:,} bytes has no room for the agent, its store and "
            f"what else it will take: {-free:,} bytes too few"
        )
        raise BadMaterialError(cause, "make esp32.store smaller, or take a board with more flash")
    first, *rest = read.pieces()
    secrets = partitions.secrets(read.table)
    pieces = (
        *rest,
        Piece(secrets.offset, nvs.image(board.secrets, secrets.size)),
        *(Piece(region.offset + at, part) for at, part in parts),
        first,
    )
    return Plan(pieces, hashlib.sha256(manifest).hexdigest(), free)


@lru_cache(maxsize=4)
def _version(drivers: tuple[str, ...], number: int, software: str) -> dict[str, bytes]:
    """Return the agent's files; those of a batch are compiled once."""
    return files.version(drivers, number, software)[0]


def _manifest(order: BoardOrder, read: Firmware, made: dict[str, bytes]) -> bytes:
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in made.items()}
    pieces = [
        {
            "offset": piece.offset,
            "size": len(piece.content),
            "sha256": hashlib.sha256(piece.content).hexdigest(),
        }
        for piece in read.pieces()
    ]
    facts = {
        "schema": SCHEMA,
        "gateway": order.board.gateway,
        "software": order.software,
        "number": order.number,
        "firmware": {"version": read.version, "sha256": read.sha256, "pieces": pieces},
        "files": digests,
    }
    return json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()


def _will_take(board: Board, version: dict[str, bytes]) -> int:
    """Return what a board fills later: its store, and where it takes updates a second version."""
    site: dict[str, Any] = json.loads(board.files[SITE])
    blocks = _SPARE_BLOCKS + -(-int(site["delivery"]["store_bytes"]) // SECTOR)
    if site["update"]:
        blocks += sum(1 + len(content) // SECTOR for content in version.values())
    return blocks * SECTOR


def write(plan: Plan, order: BoardOrder, bench: Bench, watcher: Watcher) -> None:
    """Write a board, have each piece read back by digest, start it.

    Raises NotWrittenError and NoDeviceError, which say what state it is in.
    """
    try:
        try:
            _write(plan, order, bench, watcher)
        except PassingError as error:
            watcher.say(f"{_capital(error)}; the same again, slowly.")
            esptool = bench.esptool._replace(baud=SLOW)
            _write(plan, order, bench._replace(esptool=esptool), watcher)
    except UgwError as error:
        if isinstance(error, RefusedError):
            raise
        cause = f"{error}; {HALF_WRITTEN}"
        kind = NotWrittenError if isinstance(error, PassingError) else type(error)
        raise kind(cause, error.remedy) from None


def _write(plan: Plan, order: BoardOrder, bench: Bench, watcher: Watcher) -> None:
    first = plan.pieces[-1]
    meter = _Meter(plan.pieces, bench.mac, watcher.done)
    watcher.phase("erase")
    if order.erase:
        bench.esptool.run(bench.port, ["erase-flash"], meter.hear)
    else:
        region = [hex(first.offset), hex(SECTOR)]
        bench.esptool.run(bench.port, ["erase-region", *region], meter.hear)
    watcher.phase("write and verify", sum(len(piece.content) for piece in plan.pieces))
    with tempfile.TemporaryDirectory() as folder:  # mode 700: secrets
        arguments: list[str | Path] = ["write-flash", "--flash-size", "keep"]
        for number, piece in enumerate(plan.pieces):
            path = Path(folder, f"{number}.bin")
            path.write_bytes(piece.content)
            arguments += [hex(piece.offset), path]
        said = bench.esptool.run(bench.port, arguments, meter.hear, starts=True)
    verified = sum("Hash of data verified" in line for line in said)
    if verified != len(plan.pieces):
        cause = f"esptool verified {verified} of the {len(plan.pieces)} pieces written"
        raise NotWrittenError(cause, "write it again; report it if it happens again")


class _Meter:
    """Makes bytes that are done of what esptool says, and sees that it is still that board."""

    def __init__(self, pieces: tuple[Piece, ...], mac: str, done: Callable[[int], None]) -> None:
        self._mac = mac
        self._sizes = [len(piece.content) for piece in pieces]
        self._done = done
        self._number = 0

    def hear(self, line: str) -> None:
        """Take a line. Raises RefusedError where another board is there by now."""
        mac = mac_in(line)
        if mac and self._mac and mac != self._mac:
            cause = f"the board {self._mac} was exchanged for {mac}, which was not written"
            raise RefusedError(cause, f"begin anew with each: {self._mac} does not start")
        begins = _BEGINS.match(line)
        if begins is not None:
            self._number = int(begins[1])
        elif (step := progress(line)) is not None:
            before = sum(self._sizes[: self._number])
            self._done(before + round(self._sizes[self._number] * step.percent / 100))


def wait_for_ready(result: BoardResult, bench: Bench, watcher: Watcher) -> None:
    """Return when a board that was written has said READY. Raises NotReadyError."""
    watcher.phase("wait for READY")
    heard = ready.wait(lambda: ready.SerialConsole(bench.port), bench.wait_s, watcher)
    if heard.gateway == result.gateway:
        return
    written = "the board is written and verified"
    if heard.gateway is not None:
        cause = f"{written}, but calls itself {printable(heard.gateway)}"
        raise NotReadyError(cause, "is another board at this port?", result)
    why = heard.why or ready.explained(heard.lines)
    cause = f"{written}, but not ready after {bench.wait_s:g} s: {printable(why.cause)}"
    raise NotReadyError(cause, printable(why.remedy), result)


def _capital(error: UgwError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
