"""What comes to an ESP32, in the code that also runs here: packets, answers, its own flash.

Promised: of a packet an effect or a lost connection; of an answer a value or none; a damaged
segment never becomes an observation that was not kept, and never stops a start; of the two files a
board is given its settings, or a SettingsError.
"""

import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any, Final

from gateway.esp32 import overlay, settings, slots
from gateway.esp32.names import (
    _query,  # pyright: ignore[reportPrivateUsage] - on boards a module is all that is private
    _read,  # pyright: ignore[reportPrivateUsage]
)
from gateway.esp32.offer import objection
from gateway.esp32.segments import Segments
from gateway.esp32.sntp import _judge  # pyright: ignore[reportPrivateUsage]
from tests.fuzz.target import JSON_WORDS, Target

_ROOT: Final = Path(__file__).parents[3]
_UMQTT: Final = _ROOT / ".cache" / "umqtt"
_HEAD_BYTES: Final = 105


@cache
def _folder() -> Path:
    folder = Path(mkdtemp(prefix="ugw-fuzz-"))
    for name in ("store", "state", "site"):
        (folder / name).mkdir()
    return folder


# ----------------------------------------------------------------------------------- the two files
class _Nvs:
    """A chip's memory that holds every secret."""

    def get_blob(self, name: str, buffer: bytearray) -> int:
        """Copy what stands under a name."""
        buffer[: len(name)] = name.encode()
        return len(name)


def site(data: bytes) -> None:
    """Start with this site.json."""
    (_folder() / "site" / "site.json").write_bytes(data)
    _reads(lambda: settings.load(str(_folder()), _Nvs()))


def devices(data: bytes) -> None:
    """Start with this devices.jsonl."""
    (_folder() / "site" / "devices.jsonl").write_bytes(data)
    _reads(lambda: list(settings.devices(str(_folder()), _Nvs())))


def _reads(read: Callable[[], object]) -> None:
    try:
        read()
    except settings.SettingsError as error:
        assert "correct gateway.yaml" in str(error)
    except RecursionError:
        pass  # MicroPython's parser of JSON does not recurse


_SITE: Final = b"""\
{"org":"kiel","gateway":"gw-1","root":"ugw/v1/kiel/gw-1","client_id":"gw-1",\
"software":"ugw 1","mqtt":{"host":"broker","port":1883,"user":"gw","tls":false},\
"network":{"ssid":"city"},"ble":{"scan":"active"},"time":{},"delivery":{"window":8},\
"uarts":[{"name":"lora","modem":"reyax-rylr998","uart":1,"tx":4,"rx":5}]}"""
_DEVICES: Final = b"""\
{"address":"C0:FF:EE:00:00:01","urn":"urn:dev:mac:c0ffeefffe000001","key":"k1"}
{"address":"lora:17","urn":"ugw:kiel:bin","class":"event","driver":"cayenne-lpp","poll_s":60}
"""


# ---------------------------------------------------------------------------------------- segments
class _Clock:
    boot = "b" * 32
    offset_ms = None

    def now(self) -> int:
        """Return when it is."""
        return 4321


def _batch(klass: str, first: int, count: int) -> Any:  # noqa: ANN401 - gateway.esp32.ring.Batch
    entries = [
        (number * 7, f'{{"seq":{number}', f',"results":[{number}]}}')
        for number in range(first, first + count)
    ]
    return klass, klass[0].upper() * 26, first, "b" * 32, None, "", entries


def _opened() -> Segments:
    overlay.run = _called
    if not hasattr(os, "ilistdir"):
        os.ilistdir = lambda path: iter([(name,) for name in os.listdir(path)])  # type: ignore[attr-defined] # noqa: PTH208 - as MicroPython has it
    store = Segments(str(_folder()), 100_000, _Clock())  # type: ignore[arg-type]
    store.open()
    return store


@cache
def _kept() -> tuple[bytes, bytes, frozenset[tuple[str, int, tuple[Any, ...]]]]:
    """Return two segments as they are written, and what stands in them."""
    _wipe()
    store = _opened()
    made = [_batch("routine", 0, 2), _batch("routine", 2, 1), _batch("event", 0, 1)]
    for each in made:
        store.append(each)
    folder = _folder() / "store"
    known = frozenset((each[1], each[2], tuple(each[6])) for each in made)
    return (folder / "0").read_bytes(), (folder / "3").read_bytes(), known


def _called(name: str, function: str, *args: object) -> object:
    """Call an overlay's function without forgetting it: here nobody is short of memory."""
    return getattr(import_module(f"gateway.esp32.{name}"), function)(*args)


def _wipe() -> None:
    for path in (_folder() / "store").iterdir():
        path.unlink()


def segments(data: bytes) -> None:
    """Start over a damaged store: runs of `segment, at (2), count, bytes` that replace what stood.

    Whatever is read was kept, to the byte; and the store takes and gives what comes after.
    """
    routine, event, known = _kept()
    parts, at = [bytearray(routine), bytearray(event)], 0
    while at + 4 <= len(data):
        part, offset, count = (
            parts[data[at] & 1],
            int.from_bytes(data[at + 1 : at + 3]),
            data[at + 3],
        )
        put = data[at + 4 : at + 4 + count]
        place = offset % (len(part) + 1)
        if data[at] & 2:
            del part[place:]
        part[place : place + len(put)] = put
        at += 4 + count
    _wipe()
    for name, part in zip(("0", "3"), parts, strict=True):
        (_folder() / "store" / name).write_bytes(part)
    store = _opened()
    assert store.observations >= 0
    for _ in range(64):
        handle = store.lease()
        if handle is None:
            break
        read = store.read(handle)
        assert (read[1], read[2], tuple(read[6])) in known
        store.settle(handle)
    else:
        message = "it leases for ever"
        raise AssertionError(message)
    assert all(first <= last for _, first, last, *_ in store.lost)
    later = _batch("event", 9, 1)
    store.give_back(store.append(later))
    handle = store.lease()
    assert handle is not None
    assert tuple(store.read(handle)[6]) == tuple(later[6])


def _segment_seeds() -> Iterator[bytes]:
    routine, event, _ = _kept()
    for number, part in enumerate((routine, event)):
        for at in range(0, len(part), 9):
            yield bytes((number, at >> 8, at & 255, 1, part[at] ^ 1))
    for at in (0, _HEAD_BYTES, 200, len(routine)):
        yield bytes((2, at >> 8, at & 255, 0))
        yield bytes((0, at >> 8, at & 255, 120)) + routine[:120]


# ----------------------------------------------------------------------------------------- answers
def names(data: bytes) -> None:
    """Be answered by a name server: as it comes, or (`F` bit 0) to what was asked."""
    query = bytes.fromhex("beef") + _query("broker.example", plain=True)[2:]
    answer = query[:2] + data[1:11].ljust(10, b"\0") + query[12:] + data[11:]
    found = _read(answer if data[:1] == b"\1" else data[1:], query)
    assert not found or all(0 <= int(part) <= 255 for part in found.split("."))


def _name_seeds() -> Iterator[bytes]:
    record = bytes.fromhex("c00c 0001 0001 0000003c 0004 c0000207".replace(" ", ""))
    head = bytes.fromhex("8180 0001 0001 0000 0000".replace(" ", ""))
    yield b"\1" + head + record
    yield b"\1" + head + bytes.fromhex("c00c0005000100000e100002c00c") + record
    yield b"\1" + bytes.fromhex("81830001000000000000")


def time_server(data: bytes) -> None:
    """Be answered by a time server within 40 ms."""
    answer = data.ljust(48, b"\0")[:200]
    found = _judge(answer, 1_000, 1_040)
    if found:
        offset_ms, error_ms = found
        assert 0 <= error_ms < 1_000
        assert offset_ms + 1_020 > 1_767_225_600_000 - 1_000


def _time_seeds() -> Iterator[bytes]:
    now = (2_208_988_800 + 1_795_341_600).to_bytes(4, "big") + bytes(4)
    yield bytes((0x24, 1, 0, 0)) + bytes(4) + bytes(4) + bytes(12) + bytes(8) + now + now
    yield bytes((0xE4, 0, 0, 0)) + bytes(44)


def offer(data: bytes) -> None:
    """Be offered a release that is signed, in any words."""
    try:
        why = objection(data.decode().split(" ", 7), "r" * 32, {"slot": "a"}, 3)
    except ValueError:
        return  # said as "update: ..."
    assert isinstance(why, str)


def _offer_seeds() -> Iterator[bytes]:
    yield b"ugw-update 1 esp32 6 4 2000 " + b"0" * 64 + b" ugw 1.2"
    yield b"ugw-update 1 esp32 6 2 99999 " + b"0" * 64 + b" ugw 1.2"


def version(data: bytes) -> None:
    """Start with this slots.json, be offered a release, and be acknowledged."""
    (_folder() / "slots.json").write_bytes(data)
    try:
        state = slots.load(str(_folder()))
    except RecursionError:
        return  # MicroPython's parser of JSON does not recurse
    assert state["slot"] in {"a", "b"}
    objection(["ugw-update", "1", "esp32", "6", "4", "9", "0", "ugw"], "r" * 32, state, 3)
    assert slots.judged(state, True, 0)["slot"] == state["slot"]  # noqa: FBT003 - as it is called
    slots.software(str(_folder()))


def _version_seeds() -> Iterator[bytes]:
    yield b'{"slot": "b", "tries": 2, "release": "r", "failed": ["x"]}\n'
    yield b'{"slot": "a"}\n'


# ---------------------------------------------------------------------------------------- packets
def _no_umqtt() -> str:
    there = (_UMQTT / "umqtt" / "simple.py").exists()
    return "" if there else "umqtt is not here: tools/umqtt fetches it"


@cache
def _uplink() -> Any:  # noqa: ANN401 - of MicroPython
    """Return the class, over umqtt as it is on boards."""
    for name, real in (("usocket", "socket"), ("ustruct", "struct"), ("ubinascii", "binascii")):
        sys.modules.setdefault(name, __import__(real))
    sys.path.append(str(_UMQTT))
    from gateway.esp32.uplink import Uplink  # noqa: PLC0415 - needs what stands above

    return Uplink


if not _no_umqtt():
    _uplink()  # now: a search is guided by what is imported together with its target


class _Wire:
    def write(self, data: bytes) -> int:
        """Take everything."""
        return len(data)


def packets(data: bytes) -> None:
    """Get packets from a broker, `F` bit 0 where answers alone are expected."""
    acked: list[int] = []
    mail: list[tuple[bytes, bytes]] = []
    up = _uplink()(_site(update=data[:1] != b"\1"), _Clock(), None)
    up.on_ack = acked.append

    def take(topic: bytes, message: bytes) -> None:
        mail.append((topic, message))

    up.set_callback(take)
    up._wire, up.up, up.in_flight = _Wire(), True, {1, 2, 7}  # noqa: SLF001 - as _stand has it
    stream = data[1:]
    while len(stream) >= 2:
        try:
            size = _next(up, stream)
            if size == 0 or size > len(up.buf):
                break  # not whole; what is too long is skipped by an overlay
            up._take()  # noqa: SLF001 - as _listen does
        except (OSError, ValueError, AssertionError):  # as _listen has it: the connection is lost
            break
        stream = stream[size:]
    assert len(acked) == len(set(acked)) <= 3
    assert all(bytes((0x40, 2, 0, pid)) in data for pid in acked)
    assert all(topic in data and message in data for topic, message in mail)


def _next(up: Any, stream: bytes) -> int:  # noqa: ANN401 - of MicroPython
    """Put the next packet into the buffer as `_listen` does; its size, 0: it is not whole."""
    up.start = up.end = size = 0
    while (end := min(size or 2, len(up.buf))) > up.end:
        if end > len(stream):
            return 0
        up.buf[up.end : end] = stream[up.end : end]
        up.end = end
        size = up._size()  # noqa: SLF001 - as _listen does
    return int(size)


def _site(*, update: bool) -> SimpleNamespace:
    mqtt = {"host": "broker", "port": 1883, "keepalive_s": 30}
    return SimpleNamespace(mqtt=mqtt, client_id="gw-1", update=update)


def _packet_seeds() -> Iterator[bytes]:
    yield b"\0" + bytes.fromhex("40020001 d000 40020007".replace(" ", ""))
    yield b"\0" + bytes.fromhex("32090003612f620009") + b"hi" + bytes.fromhex("9003000101")
    yield b"\1" + bytes.fromhex("3007000361 2f62".replace(" ", "")) + b"hi" + b"\x40\2\0\2"
    yield b"\1" + bytes.fromhex("b0020001 400300010 0".replace(" ", ""))


TARGETS: Final = (
    Target(
        "esp32-site",
        "site.json of a board",
        site,
        lambda: (_SITE,),
        ("gateway.esp32.settings",),
        most_bytes=1000,
        words=JSON_WORDS,
    ),
    Target(
        "esp32-devices",
        "devices.jsonl of a board",
        devices,
        lambda: (_DEVICES,),
        ("gateway.esp32.settings",),
        most_bytes=600,
        words=JSON_WORDS,
    ),
    Target(
        "esp32-segments",
        "the store of a board, damaged",
        segments,
        _segment_seeds,
        ("gateway.esp32.segments", "gateway.esp32.inventory", "gateway.esp32.journal"),
        most_bytes=400,
    ),
    Target(
        "esp32-packets",
        "packets of a broker to a board, through umqtt",
        packets,
        _packet_seeds,
        ("gateway.esp32.uplink", "umqtt"),
        most_bytes=200,
        missing=_no_umqtt,
    ),
    Target(
        "esp32-names",
        "answers of name servers",
        names,
        _name_seeds,
        ("gateway.esp32.names",),
        most_bytes=200,
    ),
    Target(
        "esp32-time",
        "answers of time servers",
        time_server,
        _time_seeds,
        ("gateway.esp32.sntp",),
        most_bytes=60,
    ),
    Target(
        "esp32-offers",
        "offers of releases, signed",
        offer,
        _offer_seeds,
        ("gateway.esp32.offer",),
        most_bytes=200,
    ),
    Target(
        "esp32-slots",
        "which version of a board runs, damaged",
        version,
        _version_seeds,
        ("gateway.esp32.slots", "gateway.esp32.offer"),
        most_bytes=120,
        words=JSON_WORDS,
    ),
)
