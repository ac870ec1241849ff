"""Frame -> Observation: admit, recognise, decode, observe; by the rules of gateway/pipeline.py.

All of it is done within the call, while delivery has room. While it has none, the newest frame of
each routine Bluetooth device waits, the oldest of every other, until `work` is called. Every frame
ends in exactly one counter. Of a device that is not listed nothing is kept.

Drivers are imported when a device first needs them. One that cannot be, or that raises what no
driver may raise, costs a refusal and a word on the console, never the agent.
"""

from binascii import unhexlify

from gateway.core import refusal, wire
from gateway.core.advertisement import structures
from gateway.core.context import Context
from gateway.core.judgement import judge
from gateway.core.recognition import payload_of
from gateway.core.refusal import DecodeError
from gateway.core.replay import RepeatError

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from gateway.esp32.clock import Clock
    from gateway.esp32.delivery import Delivery
    from gateway.esp32.devices import Device

    Driver = Any  # a module, or one of its DRIVERS
    Structure = tuple[int, int, bytes]
    Result = tuple[str, int | str | None, int, str, str, tuple[str, ...]]
    Results = tuple[Result, ...]
    # When it was heard, RSSI, SNR, payload; without one it is an advertisement.
    Frame = tuple[int, int | None, float | None, bytes | None]

_MATCH = {0x03: "listed_uuid", 0x09: "local_name", 0x16: "service_uuid", 0xFF: "manufacturer_id"}
_MANUFACTURER = 0xFF
_NAME = 0x09
_LAST = 256  # behind all AD types


class Counts:
    """Where frames and observations ended."""

    def __init__(self) -> None:
        self.heard = self.unlisted = self.duplicate = self.limited = self.coalesced = 0
        self.thinned = self.unknown = self.empty = self.decoded = 0
        self.observed = self.delivered = self.dropped = self.recovered = self.resent = 0
        self.refused: dict[str, int] = {}

    def refuse(self, reason: str) -> None:
        """Count one refusal."""
        self.refused[reason] = self.refused.get(reason, 0) + 1


class Intake:
    """Stops 2 to 4. `waiting`: frames admitted and not yet decoded."""

    on_refuse: "Callable[[str, str], None]" = (
        print  # who wants to know of refused frames: name of the device, reason
    )

    def __init__(
        self,
        devices: "Iterable[Device]",
        _clock: "Clock",
        counts: Counts,
        delivery: "Delivery",
        _streams: "dict[str, str]",
    ) -> None:
        self.counts = counts
        self.waiting = 0
        self.devices: dict[bytes, Device] = {}
        for device in devices:
            self.devices[device.address] = device
        self._delivery = delivery
        self._context = Context()
        self._drivers: dict[str, tuple[Driver, ...]] = {}  # of a module, by its path below drivers

    # ---------------------------------------------------------------------------------- 2 admit
    def lists(self, address: bytes) -> bool:
        """Whether a device is listed; nothing is counted. An interrupt may ask."""
        return address in self.devices

    def coalesces(self, address: bytes) -> bool:
        """Whether a newer frame of a listed device takes the place of one that waits."""
        return self.devices[address].klass != "event"

    def heard_ble(self, address: bytes, rssi: int, data: bytes, at: int) -> None:
        """Take an advertisement or a scan response; the radio has counted it as heard."""
        self.admit(address, data, (at, rssi, None, None))

    def heard_lora(
        self, address: str, payload: bytes, rssi: "int | None", snr: "float | None", at: int
    ) -> None:
        """Take a LoRa packet."""
        self.counts.heard += 1
        self.admit(address.encode(), payload, (at, rssi, snr, payload))

    def admit(self, address: bytes, content: "bytes | None", frame: "Frame") -> None:
        """Take a frame counted as heard; `content` None: the answer to a poll, never a repeat."""
        counts, delivery, at = self.counts, self._delivery, frame[0]
        device = self.devices.get(address)
        if device is None:
            counts.unlisted += 1
            return
        device.heard_ms, device.rssi = at, frame[1]
        if content is not None and device.repeats(content, at):
            counts.duplicate += 1
        elif device.thins(delivery.level, at):
            counts.thinned += 1
        elif not device.spend(at):
            counts.limited += 1
        else:
            self.work(device)
            self._wait(device, content, frame)
            self.work(device)

    def _wait(self, device: "Device", content: "bytes | None", frame: "Frame") -> None:
        if device.waiting:
            if device.klass == "event" or frame[3] is not None:
                self.counts.limited += 1
                return
            self.counts.coalesced += 1
            self.waiting -= 1
        if content is not None:
            device.gather(content, frame[0])
        device.waiting = frame
        self.waiting += 1

    def work(self, only: "Device | None" = None) -> None:
        """Decode what waits, as far as delivery has room."""
        for device in (only,) if only else self.devices.values():
            if device.waiting and self._delivery.has_room:
                frame, device.waiting = device.waiting, None
                self.waiting -= 1
                self._process(device, frame)

    # --------------------------------------------------------------------------------- 3 decode
    def _process(self, device: "Device", frame: "Frame") -> None:
        """Decode a frame; what a poll brought is no copy of advertisements, nor they of it."""
        counts = self.counts
        merges, copies, device.merges = device.merges, device.copies, False
        is_poll = frame[3] is not None and device.medium == "ble"
        if is_poll:
            device.copies = 1
        try:
            if device.thins(self._delivery.level, frame[0]):  # meanwhile the level rose
                counts.thinned += 1
            else:
                self._observe(device, frame, *self._read(device, frame))
        except RepeatError:
            counts.duplicate += 1
            device.merges = merges
        except DecodeError as error:
            if error.reason == refusal.BAD_MIC:  # not the device's own: it costs the device none
                device.tokens += 60000
            counts.refuse(error.reason)
            self.on_refuse(device.urn, error.reason)
        except MemoryError:  # of what there was no memory for delivery has nothing
            counts.limited += 1
        if is_poll:
            device.merges, device.copies = merges, copies

    def _read(self, device: "Device", frame: "Frame") -> "tuple[Results | None, int | None]":
        """Return results, None if nobody reads it, and packet counter.

        Raises DecodeError, or RepeatError for a frame that was heard before.
        """
        said = frame[3]
        try:
            if said is None:
                driver, payload = self._found(device)
            else:
                path = device.poll if device.medium == "ble" else device.drivers
                payload = _unhex(said) if device.hex else said
                driver = self.load(path)[0] if isinstance(path, str) else None
            if driver is None:
                return None, None
            flags, counter = self._unseal(device, driver, payload, frame[0])
            return judge(driver.decode(payload, self._context), flags), counter
        except (DecodeError, RepeatError):
            raise
        except Exception as error:  # noqa: BLE001 - a driver is anybody's
            if not device.is_faulty:
                device.is_faulty = True
                print(device.urn, "driver fails:", repr(error))
            raise DecodeError(refusal.DRIVER_FAULT) from None

    def _found(self, device: "Device") -> "tuple[Driver, bytes | tuple[Structure, ...]]":
        """Return the driver found by what it matches in an advertisement, or the one named.

        Listed services and names, whose AD types are the lowest, come before what is sent beside
        them: makers add beacons of others' formats.
        """
        driver: Driver = None
        payload: bytes | tuple[Structure, ...] = b""
        rank = _LAST
        parts = _together(device.content, device.other)
        before, device.before = device.before, parts
        for part in parts:
            found = self._reader(device.drivers, part) if part[0] < rank else None
            if found is not None:
                form = getattr(found, "PAYLOAD", "structure")
                said = payload_of(form, part, parts, before)
                if said or form != "manufacturer" or isinstance(device.drivers, str):
                    driver, payload, rank = found, said, part[0]
        if hasattr(driver, "MODEL") and not hasattr(driver, "PAYLOAD"):
            device.before = ()  # who reads one structure does not look back
        return driver, payload

    def _reader(self, paths: "str | list[str] | tuple[str, ...]", part: "Structure") -> object:
        """Return the driver that reads a structure, the one with the longest prefix; or None."""
        is_named = isinstance(paths, str)
        best, longest = None, -1
        for path in (paths,) if isinstance(paths, str) else paths:
            drivers = self.load(path)
            if is_named and not drivers:
                raise DecodeError(refusal.DRIVER_FAULT)
            for driver in drivers:
                form = getattr(driver, "PAYLOAD", "structure")
                length = -1
                if is_named and form != "structure":  # its name may not have come along
                    length = 0 if part[0] == _MANUFACTURER or form == "advertisement" else -1
                elif is_named or driver.STRENGTH:
                    length = _claims(driver.MATCH, part)
                if length > longest:
                    best, longest = driver, length
        return best

    def load(self, path: str) -> "tuple[Driver, ...]":
        """Return the drivers of a module."""
        if path not in self._drivers:
            self._drivers[path] = ()  # one that cannot be imported now is not tried again
            try:
                module = __import__("drivers." + path, None, None, (path,))
                self._drivers[path] = getattr(module, "DRIVERS", (module,))
            except MemoryError:
                del self._drivers[path]  # but this one, when there is more memory
                raise
        return self._drivers[path]

    def _unseal(
        self, device: "Device", driver: object, payload: "bytes | tuple[Structure, ...]", at: int
    ) -> "tuple[tuple[str, ...], int | None]":
        """Ready the context for `decode`; return flags and packet counter.

        Nothing is handed on that has not proven to be the device's own: with a key a frame is
        opened first, and one in clear is refused unless there is nothing in it.
        """
        context = self._context
        context.address = device.address if device.medium == "ble" else b""
        context.opened = counter = None
        flags: tuple[str, ...] = ()
        if hasattr(driver, "packet_counter"):
            counter = driver.packet_counter(payload)
        sealed = driver.sealed(payload, context) if hasattr(driver, "sealed") else None
        if sealed is not None:
            if not device.key:
                raise DecodeError(refusal.NO_KEY)
            from gateway.esp32.sealed import opened  # memory for those who need it

            flags = opened(device, context, *sealed)
            if sealed[4] is not None:
                return flags, sealed[4]
        elif device.key and driver.decode(payload, context):
            raise DecodeError(refusal.NOT_ENCRYPTED)
        if counter is not None:
            device.number(driver.MODEL, counter, at)
        return flags, counter

    # -------------------------------------------------------------------------------- 4 observe
    def _observe(
        self, device: "Device", frame: "Frame", results: "Results | None", counter: "int | None"
    ) -> None:
        """Offer what was read; DecodeError: its observation is larger than memory."""
        counts = self.counts
        if results is None:
            counts.unknown += 1
            return
        if not results:
            counts.empty += 1
            return
        at, rssi, snr, _ = frame
        link = wire.link(device.medium, rssi, snr, counter, device.copies)
        tail = wire.observation_tail(results, link)
        self._delivery.offer(device.klass, device.urn, at, tail)
        counts.decoded += 1
        counts.observed += 1
        device.copies, device.merges = 1, True
        try:
            device.observed(results, at)
        except MemoryError:
            pass  # delivery has it: state and meta do without


def _together(content: bytes, other: bytes) -> "tuple[Structure, ...]":
    """Return the structures of both parts; of one kind and identifier the newer, as BlueZ."""
    new = structures(content)
    parts = []
    for part in structures(other):
        for known in new:
            if known[:2] == part[:2]:
                break
        else:
            parts.append(part)
    return tuple(parts) + new


def _claims(match: "tuple[dict[str, Any], ...] | dict[str, Any]", part: "Structure") -> int:
    """Return the length of the longest prefix by which a structure is found; -1: it is not."""
    ad_type, identifier, data = part
    longest = -1
    for one in match if isinstance(match, tuple) else (match,):
        value = prefix = one.get(_MATCH[ad_type])
        if ad_type != _NAME:
            prefix = one.get("prefix", b"") if value == identifier else None
        if prefix is not None and data.startswith(prefix):
            longest = max(longest, len(prefix))
    return longest


def _unhex(payload: bytes) -> bytes:
    try:
        return unhexlify(payload.strip())
    except ValueError:
        raise DecodeError(refusal.BAD_HEX) from None
