"""What is on the air, for whoever stands beside it: in memory, bounded, gone with the process.

A device is remembered only if a driver recognises what it sends, if it is listed, or if it is a
node of our own LoRa network. Anything else is a number: no address of it is kept.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.config import DeviceSettings
from gateway.core import refusal
from gateway.core.refusal import DecodeError
from gateway.crypto import CcmKey
from gateway.decoding import Once, read, unhex
from gateway.driver import LoadedDriver, Payload
from gateway.lorawan import parse, sender_of
from gateway.lorawan_sources import session
from gateway.model import Frame, Medium, Result
from gateway.registry import Registry

MOST: Final = 1_000  # devices remembered; more are only counted
_NS_PER_S: Final = 1e9
_WHY: Final = {
    refusal.NO_KEY: "encrypted: it needs its key",
    refusal.BAD_MIC: "encrypted with another key than the configured one",
    refusal.NOT_ENCRYPTED: "in clear, although it has a key",
}


class Heard(msgspec.Struct, kw_only=True):
    """A device that was recognised, as it was heard last."""

    address: str
    medium: Medium
    source: str
    listed: DeviceSettings | None
    model: str = ""  # of the driver that recognised it; of a LoRa node not listed, of none
    fits: tuple[str, ...] = ()  # drivers that could read what a LoRa node not listed sends
    as_hex: bool = True  # whether that was so of hexadecimal text
    encrypted: bool = False
    frames: int = 0
    first_ns: int = 0
    last_ns: int = 0
    rssi_dbm: int | None = None
    snr_db: float | None = None
    payload: Payload = b""
    port: int | None = None  # LoRaWAN
    results: tuple[Result, ...] = ()
    remark: str = ""  # why there are no results

    @property
    def every_s(self) -> float | None:
        """Its mean interval so far; None before the second frame."""
        gaps = self.frames - 1
        return (self.last_ns - self.first_ns) / gaps / _NS_PER_S if gaps > 0 else None


class Others(msgspec.Struct):
    """All that was heard and not recognised."""

    frames: int = 0
    strongest_dbm: int | None = None


class Ear:
    """An Intake (gateway.model) that listens to everything and remembers what has a driver."""

    def __init__(
        self, registry: Registry, devices: Iterable[DeviceSettings], clock: Clock
    ) -> None:
        self.heard: dict[str, Heard] = {}
        self.others = Others()
        self._registry = registry
        self._devices = {device.address: device for device in devices}
        self._clock = clock
        sessions = {device.address: session(device) for device in self._devices.values()}
        self._sessions = {address: one for address, one in sessions.items() if one is not None}

    def lists(self, address: str) -> bool:
        """Whether it is remembered; what is not may be forgotten by BlueZ as well."""
        return address in self.heard

    def admits(self, address: str, content: object, rssi_dbm: int | None = None) -> int | None:
        """Let everything in: what it is shows only in its content."""
        del address, content, rssi_dbm
        return self._clock.boot_ns()

    def wants(self, address: str) -> bool:
        """Connect to nobody: this only listens."""
        del address
        return False

    def sender(self, uplink: bytes) -> str:
        """Name the listed node whose keys fit; else the device address it bears."""
        return sender_of(uplink, self._sessions)

    def _opened(self, frame: Frame) -> Frame | None:
        """Return an uplink with its payload in clear; None: whose it is nobody here knows."""
        session, uplink = self._sessions.get(frame.address), parse(frame.payload)
        counter = session.find(uplink, None) if session and uplink else None
        if session is None or uplink is None or counter is None:
            return None
        payload = session.cipher(uplink.payload, uplink.port or 0, counter)
        return msgspec.structs.replace(frame, payload=payload, port=uplink.port, counter=counter)

    def hear(self, frame: Frame) -> None:
        """Remember what a driver recognises; count the rest."""
        clear = self._opened(frame) if frame.is_uplink else frame
        if clear is None:
            self._count(frame)
            return
        self._hear(clear)

    def _hear(self, frame: Frame) -> None:
        known = self.heard.get(frame.address)
        listed = self._devices.get(frame.address)
        driver, payload = self._recognise(frame, listed)
        if frame.medium == "ble" and driver is None and listed is None:
            self._count(frame)
            return
        if known is None:
            if len(self.heard) >= MOST:
                self._count(frame)
                return
            known = self.heard[frame.address] = Heard(
                address=frame.address,
                medium=frame.medium,
                source=frame.source,
                listed=listed,
                first_ns=frame.heard_at_ns,
            )
        self._note(known, frame, payload)
        self._read(known, driver)

    def _count(self, frame: Frame) -> None:
        others, rssi_dbm = self.others, frame.rssi_dbm
        others.frames += 1
        if rssi_dbm is not None:
            strongest = others.strongest_dbm
            others.strongest_dbm = rssi_dbm if strongest is None else max(rssi_dbm, strongest)

    # ------------------------------------------------------------------------------ recognising
    def _recognise(
        self, frame: Frame, listed: DeviceSettings | None
    ) -> tuple[LoadedDriver | None, Payload]:
        named = listed.driver if listed is not None else None
        driver = self._registry.by_model(named) if named is not None else None
        if frame.medium == "lora":
            return driver, frame.payload
        return self._registry.recognise(frame.structures, driver)

    def _note(self, known: Heard, frame: Frame, payload: Payload) -> None:
        known.frames += 1
        known.last_ns = frame.heard_at_ns
        known.rssi_dbm, known.snr_db = frame.rssi_dbm, frame.snr_db
        known.payload, known.port = payload, frame.port

    # --------------------------------------------------------------------------------- decoding
    def _read(self, known: Heard, driver: LoadedDriver | None) -> None:
        """Decode what it says now, or remark why not."""
        known.results, known.remark = (), ""
        if driver is None and known.medium == "lora":
            self._guess(known)
            return
        if driver is None:
            known.remark = "listed, and in a format that no driver recognises"
            return
        known.model = driver.model
        payload = known.payload
        try:
            if isinstance(payload, bytes) and known.listed and known.listed.payload == "hex":
                payload = unhex(payload)
            known.results = self._decode(known, driver, payload)
        except DecodeError as error:
            known.encrypted = known.encrypted or error.reason == refusal.NO_KEY
            known.remark = _WHY.get(error.reason, f"refused: {error.reason}")

    def _decode(self, known: Heard, driver: LoadedDriver, payload: Payload) -> tuple[Result, ...]:
        ble = known.medium == "ble"
        key = known.listed.key if known.listed is not None else None
        sender = Once(
            bytes.fromhex(known.address.replace(":", "")) if ble else b"",
            CcmKey(key.key_bytes) if key is not None else None,
            known.port,
        )
        try:
            return read(driver, payload, sender)[0]
        finally:
            known.encrypted = sender.sealed

    def _guess(self, known: Heard) -> None:
        """Say which drivers could read a LoRa node that names none: its frames do not tell."""
        for as_hex in (True, False) if known.address.startswith("lora:") else (False,):
            fitting: dict[str, tuple[Result, ...]] = {}
            for model in self._registry.models():
                results = self._tried(known, self._registry.by_model(model), as_hex=as_hex)
                if results:
                    fitting[model] = results
            if fitting:
                known.fits, known.as_hex = tuple(fitting), as_hex
                known.results = next(iter(fitting.values()))
                return
        known.fits = ()
        known.remark = "a LoRa node in a format that no driver fits"

    def _tried(self, known: Heard, driver: LoadedDriver, *, as_hex: bool) -> tuple[Result, ...]:
        if driver.is_ble or not isinstance(known.payload, bytes):
            return ()
        try:
            payload = unhex(known.payload) if as_hex else known.payload
            return read(driver, payload, Once(port=known.port))[0]
        except DecodeError:
            return ()
