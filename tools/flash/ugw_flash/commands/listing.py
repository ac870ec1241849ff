"""`ugw flash list`: the disks and boards of this computer, and what may be done with each.

Nothing is opened for writing, and no board is woken.
"""

from collections.abc import Sequence
from typing import Final, cast

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gateway.cli.terminal import show, table
from ugw_flash.commands.answers import answer, answering
from ugw_flash.commands.options import JsonOption
from ugw_flash.disks.find import source
from ugw_flash.disks.model import Disk
from ugw_flash.disks.policy import Grade, Verdict, judge, size_text
from ugw_flash.esp32.ports import Port, boards

_COLOURS: Final = {Grade.USABLE: "green", Grade.UNUSUAL: "yellow", Grade.FORBIDDEN: "red"}


def list_devices(*, as_json: JsonOption = False) -> None:
    """List disks and boards, each with the reason why it is refused.

    A disk is usable: a card or a stick, written once it was confirmed. Or unusual: written only
    with --to, --allow-disk SERIAL and --i-know. Or forbidden: a disk of this system, one that is
    write-protected, a reader without a card; no option changes that.

    [bold]Example[/bold]

        ugw flash list --json | jq '.disks[] | select(.grade == "usable") | .path'
    """
    with answering(as_json=as_json):
        disks = [(disk, judge(disk)) for disk in source().disks()]
        ports = boards()
        if as_json:
            answer(facts(disks, ports), as_json=True, text="")
        else:
            show(page(disks, ports))


def page(disks: Sequence[tuple[Disk, Verdict]], ports: Sequence[Port]) -> Group:
    """Lay out what there is, for people."""
    return Group(_disk_table(disks), Text(), _port_table(ports))


def facts(disks: Sequence[tuple[Disk, Verdict]], ports: Sequence[Port]) -> dict[str, object]:
    """Return what there is, for programs."""
    return {
        "disks": [
            {**_in_json(disk), "grade": verdict.grade, "reasons": verdict.reasons}
            for disk, verdict in disks
        ],
        "boards": [_in_json(port) for port in ports],
    }


def _in_json(record: msgspec.Struct) -> dict[str, object]:
    """Return a record with its keys as all our JSON has them: readOnly."""
    fields = msgspec.structs.asdict(record)
    return {_key(name): _value(value) for name, value in fields.items()}


def _value(value: object) -> object:
    if isinstance(value, tuple):
        return [_value(each) for each in cast("tuple[object, ...]", value)]
    return _in_json(value) if isinstance(value, msgspec.Struct) else value


def _key(name: str) -> str:
    if name == "size":
        return "sizeBytes"
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _disk_table(disks: Sequence[tuple[Disk, Verdict]]) -> Table | Text:
    if not disks:
        return Text("no disks are seen")
    headings = ("DISK", "SIZE", "WHAT", "SERIAL", "VERDICT", "WHY")
    rows = [
        (
            disk.path,
            size_text(disk.size) if disk.size else "-",
            _what(disk),
            disk.serial or "-",
            Text(verdict.grade, _COLOURS[verdict.grade]),
            str(verdict) or _on_it(disk),
        )
        for disk, verdict in disks
    ]
    return table(headings, rows, right=("SIZE",))


def _what(disk: Disk) -> str:
    name = " ".join(filter(None, (disk.vendor, disk.model)))
    return f"{name} ({disk.kind})" if name else disk.kind


def _on_it(disk: Disk) -> str:
    labels = [part.label or part.filesystem for part in disk.parts]
    return f"on it: {', '.join(filter(None, labels)) or 'nothing that is known'}"


def _port_table(ports: Sequence[Port]) -> Table | Text:
    if not ports:
        return Text("no boards are plugged in")
    headings = ("PORT", "BOARD", "USB", "WHAT", "SERIAL", "VERDICT", "WHY")
    rows = [
        (
            port.path,
            port.chip_hint or "-",
            port.vid_pid or "-",
            port.description or "-",
            port.serial or "-",
            Text("unusual", "yellow") if port.reason else Text("usable", "green"),
            port.reason,
        )
        for port in ports
    ]
    return table(headings, rows)
