"""The sheet of city IT: a row for each gateway, checked before anything is made of it.

Every fault of the file is told at once, each with its line and column. Nothing in it is a secret,
nothing in it is a formula, and no gateway stands in it twice.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gateway.config.explain import did_you_mean
from gateway.config.findings import Finding, InvalidConfigError, quoted
from gateway.config.loading import read_file
from ugw_flash.batch.cells import Cell, parse
from ugw_flash.batch.model import Row
from ugw_flash.batch.values import COLUMNS, EMPTY, value_of

REMEDY: Final = "docs/reference/flash.md describes the sheet, with an example"


class Sheet(NamedTuple):
    """What a sheet says."""

    path: Path
    rows: tuple[Row, ...]
    separator: str

    def row_of(self, gateway: str) -> Row:
        """Return a gateway's row. Raises InvalidConfigError when it has none."""
        for row in self.rows:
            if row.gateway == gateway:
                return row
        near = did_you_mean(gateway, [row.gateway for row in self.rows])
        message = f"there is no row for {quoted(gateway)}{near}"
        raise InvalidConfigError([Finding(file=str(self.path), message=message)])


def read_sheet(path: Path) -> Sheet:
    """Read a sheet. Raises InvalidConfigError with every finding."""
    findings: list[Finding] = []
    table = parse(read_file(path, remedy=REMEDY))
    if table.unclosed is not None:
        line, column = table.unclosed
        message = "the quote that begins here is not closed"
        findings.append(Finding(file=str(path), line=line, column=column, message=message))
    if not table.lines:
        findings.append(Finding(file=str(path), message="the sheet is empty"))
        raise InvalidConfigError(findings, REMEDY)
    reader = _Reader(path, table.lines[0], findings)
    rows = [reader.row(cells) for cells in table.lines[1:]]
    findings += _repeated(rows)
    if not rows:
        findings.append(Finding(file=str(path), message="there is no row below the header"))
    if findings:
        raise InvalidConfigError(findings, REMEDY)
    return Sheet(path, tuple(rows), table.separator)


class _Reader:
    """Makes rows of lines, as the header says what stands where."""

    def __init__(self, path: Path, header: list[Cell], findings: list[Finding]) -> None:
        self._path = path
        self._findings = findings
        self._columns = [self._column(cell) for cell in header]
        for number, (name, cell) in enumerate(zip(self._columns, header, strict=True)):
            if name and name in self._columns[:number]:
                self._tell(f"the column {name} stands twice", cell)
        if "gateway" not in self._columns:
            names = ", ".join(COLUMNS)
            message = (
                f"a first line with names of columns is needed, gateway at least, of: {names}"
            )
            self._tell(message, header[0])

    def row(self, cells: list[Cell]) -> Row:
        """Return what a line says; it counts only where there are no findings."""
        named = dict(zip(self._columns, cells, strict=False))
        places = {name: (cell.line, cell.column) for name, cell in named.items() if name}
        places.setdefault("gateway", (cells[0].line, cells[0].column))
        blank = Row("", sheet=str(self._path), places=MappingProxyType(places))
        for cell in cells[len(self._columns) :]:
            if cell.text:
                self._tell("no column has a name here: does a text need quotes around it?", cell)
        values: dict[str, Any] = {}
        bad: set[str] = set()
        for name in COLUMNS:
            text = named[name].text if name in named else ""
            try:
                if name in self._columns:  # what the header lacks it has said itself
                    values[name] = value_of(name, text, self._path.parent)
            except ValueError as error:
                self._findings.append(blank.finding(name, str(error)))
                values[name] = EMPTY.get(name, "")
                bad.add(name)
        row = blank._replace(**values)
        self._findings += [each for each in _across(row) if each.path not in bad]
        return row

    def _column(self, cell: Cell) -> str:
        name = cell.text.lower()
        if name and name not in COLUMNS:
            self._tell(f"unknown column {quoted(cell.text)}{did_you_mean(name, COLUMNS)}", cell)
        return name

    def _tell(self, message: str, at: Cell) -> None:
        file = str(self._path)
        found = Finding(file=file, line=at.line, column=at.column, message=message)
        self._findings.append(found)


def _repeated(rows: list[Row]) -> Iterator[Finding]:
    # Addresses may well be: each site has a network of its own.
    for column in ("gateway", "mac"):
        first: dict[str, Row] = {}
        for row in rows:
            value = str(getattr(row, column))
            before = first.setdefault(value, row)
            if value and before is not row:
                line = before.places[column][0]
                yield row.finding(column, f"{value} stands twice, first in line {line}")


def _across(row: Row) -> Iterator[Finding]:
    """Say what is wrong across the cells of a row."""
    for column, other in (("lat", "lon"), ("lon", "lat")):
        if getattr(row, column) is None and getattr(row, other) is not None:
            yield row.finding(column, f"required with {other}")
    yield from _across_address(row)
    for column in ("ssid", "wifi_password") if row.network == "ethernet" else ():
        if getattr(row, column):
            yield row.finding(column, "of no use: its network is ethernet")


def _across_address(row: Row) -> Iterator[Finding]:
    for column in ("gateway_ip", "dns"):
        given = getattr(row, column)
        if row.address and not given:
            yield row.finding(column, "required with address")
        if given and not row.address:
            yield row.finding(column, "of no use without address: DHCP says it")
    if row.address and row.gateway_ip:
        network = ipaddress.ip_interface(row.address).network
        if ipaddress.ip_address(row.gateway_ip) not in network:
            yield row.finding("gateway_ip", f"{row.gateway_ip} is not in {network}")
