"""What a scan shows: the devices that were recognised, two lines each, and the radios.

Pure: from what was heard to something rich can print, to YAML, to data for programs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gateway.cli.ear import Heard, Others
from gateway.cli.readings import result_text, span
from gateway.cli.signs import light, signal
from gateway.cli.terminal import plain
from gateway.core import vocabulary, wire
from gateway.health import TransportHealth
from gateway.model import Result, TransportState

_NS_PER_S: Final = 1e9
_LINES_EACH: Final = 2
_FRESH_S: Final = 2.0
_INDENT: Final = 2
_BURSTING_S: Final = 0.05  # what is written as 0 s
_NAME_CHARS: Final = 20  # beside the rest a line of 80 has no more
_NOT_LISTED: Final = "not listed"

AddressTypes = Mapping[str, str]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A scan at one moment. `lines` is what the terminal has, None for no limit."""

    heard: Sequence[Heard]
    others: Others | None  # None: nobody asked for them
    radios: Sequence[TransportHealth]
    now_ns: int
    lines: int | None = None
    hint: str = ""  # what to do next


def render(page: Page) -> RenderableType:
    """Lay a page out: what is not listed yet comes first, for it is what a scan is made for."""
    order = sorted(page.heard, key=lambda each: (each.listed is not None, each.first_ns))
    foot = list(_foot(page))
    room = len(order)
    if page.lines is not None:
        room = max(1, (page.lines - len(foot) - 1) // _LINES_EACH)
    shown = list(_devices(order[:room], page.now_ns))
    if len(order) > room:
        shown.append(Text(f"and {len(order) - room} more", "dim"))
    if not order:
        shown.append(Text("nothing recognised yet", "dim"))
    return Group(*shown, *foot)


def _devices(heard: Sequence[Heard], now_ns: int) -> Iterator[RenderableType]:
    names = [_name(each) for each in heard]
    models = [_model(each) for each in heard]
    widths = (_width(each.address for each in heard), _width(names), _width(models))
    for each, name, model in zip(heard, names, models, strict=True):
        age_s = (now_ns - each.last_ns) / _NS_PER_S
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(each.address.ljust(widths[0]), "bold" if age_s < _FRESH_S else "")
        line.append("  ").append(name.ljust(widths[1]), "dim" if each.listed else "bold cyan")
        line.append("  ").append(model.ljust(widths[2])).append("  ")
        line.append_text(signal(each.rssi_dbm)).append(f"  {_rhythm(each, age_s)}")
        yield line
        yield Padding(_says(each), (0, 0, 0, _INDENT))


def _width(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)


def _name(heard: Heard) -> str:
    if heard.listed is None:
        return _NOT_LISTED
    name = heard.listed.name or "listed"
    return name if len(name) <= _NAME_CHARS else f"{name[: _NAME_CHARS - 1]}…"


def _model(heard: Heard) -> str:
    return heard.model or " or ".join(heard.fits) + "?" if heard.model or heard.fits else "?"


def _rhythm(heard: Heard, age_s: float) -> str:
    ago = f"{span(round(age_s))} ago"
    if heard.every_s is None:
        return f"once, {ago}"
    if heard.every_s < _BURSTING_S:
        return f"many times a second, {ago}"
    return f"every {span(heard.every_s)}, {ago}"


def _says(heard: Heard) -> Text:
    if heard.remark:
        return Text(heard.remark, "yellow")
    said = ", ".join(result_text(result) for result in heard.results)
    return plain(said or "nothing that is measured")


def _foot(page: Page) -> Iterator[Text]:
    yield Text("")
    for radio in page.radios:
        up = radio.state is TransportState.UP
        cause = f": {radio.cause}" if radio.cause else ""
        state = "" if up else f" {radio.state.value}"
        yield light(up=up).append(f"{radio.name}{state}{cause}")
    if page.others is not None:
        yield Text(_told(page.others), "dim")
    if page.hint:
        yield Text(page.hint, "dim")


def _told(others: Others) -> str:
    strongest = ""
    if others.strongest_dbm is not None:
        strongest = f", the strongest at {others.strongest_dbm} dBm"
    return f"others: {others.frames} frames{strongest}; nothing else of them is kept"


# ---------------------------------------------------------------------------------- configuration
def entries(heard: Iterable[Heard], types: AddressTypes, taken: Iterable[str]) -> str:
    """Return what to paste below `devices:` for what is not listed; `taken` ids are not given."""
    ids = _ids(set(taken))
    new = (each for each in heard if each.listed is None)
    return "".join(_entry(each, types.get(each.address, ""), ids) for each in new)


def _entry(heard: Heard, address_type: str, ids: Iterator[str]) -> str:
    lines = [f'address: "{heard.address}"', "# name: what people call it"]
    if heard.medium == "lora":
        lines += _of_lora(heard)
    elif address_type == "random":
        lines += [
            "address_type: random  # never published: messages bear the id",
            f"id: {next(ids)}",
        ]
    elif not address_type:
        lines.append("# address_type: random, and an id, if its address is random")
    if heard.encrypted:
        digits = heard.address.replace(":", "").lower()
        lines.append(f"key: file:/etc/ugw/keys/{digits}  # 32 hexadecimal digits, chmod 600")
    first, *rest = lines
    what = f"{_model(heard)}, heard by {heard.source}"
    rssi = f" at {heard.rssi_dbm} dBm" if heard.rssi_dbm is not None else ""
    return "\n".join([f"  # {what}{rssi}", f"  - {first}", *(f"    {each}" for each in rest), ""])


def _of_lora(heard: Heard) -> list[str]:
    if not heard.fits:
        return ["driver: cayenne-lpp  # wrong: choose from `ugw drivers list`"]
    driver = f"driver: {heard.fits[0]}  # what it sends would fit; its frames do not say"
    is_raw = heard.address.startswith("lora:") and not heard.as_hex
    return [driver, "payload: raw"] if is_raw else [driver]


def _ids(taken: set[str]) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if f"sensor-{number}" not in taken:
            yield f"sensor-{number}"


# ------------------------------------------------------------------------------------ for programs
def data(page: Page, types: AddressTypes, taken: Iterable[str]) -> dict[str, Any]:
    """Return the page for programs."""
    radios = [{"name": r.name, "state": r.state.value, "cause": r.cause} for r in page.radios]
    ids = _ids(set(taken))
    devices: list[dict[str, Any]] = []
    for each in page.heard:
        kind = types.get(each.address)
        entry = _entry(each, kind or "", ids) if each.listed is None else None
        devices.append({**_device(each, page.now_ns), "addressType": kind, "entry": entry})
    told: dict[str, Any] = {"radios": radios, "devices": devices}
    if page.others is not None:
        told["others"] = msgspec.to_builtins(page.others)
    return told


def _device(heard: Heard, now_ns: int) -> dict[str, Any]:
    every_s = heard.every_s
    return {
        "address": heard.address,
        "medium": heard.medium,
        "source": heard.source,
        "listed": heard.listed is not None,
        "name": heard.listed.name if heard.listed is not None else None,
        "driver": heard.model or None,
        "fits": list(heard.fits),
        "encrypted": heard.encrypted,
        "rssi": heard.rssi_dbm,
        "snr": heard.snr_db,
        "frames": heard.frames,
        "everyS": None if every_s is None else round(every_s, 1),
        "lastHeardAgoS": round((now_ns - heard.last_ns) / _NS_PER_S, 1),
        "values": [_value(result) for result in heard.results],
        "remark": heard.remark,
    }


def _value(result: Result) -> dict[str, Any]:
    name, value, scale, channel, quality, _ = result
    number = isinstance(value, int) and not isinstance(value, bool)
    return {
        "observedProperty": name,
        "channel": channel,
        "result": float(wire.decimal(int(value or 0), scale)) if number else value,
        "unit": vocabulary.unit(name),
        "quality": quality or "good",
    }
