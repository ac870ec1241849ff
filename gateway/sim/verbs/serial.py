"""Faults of a LoRa modem and the port it is on, and of whatever hangs on USB.

What stood unread in a port that is pulled out, or that overruns, is excused in the ledger: no
agent could have read it. Noise and half packets excuse nothing: what comes behind can be read.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

from pydantic import Field

from gateway.config.section import Whole
from gateway.sim.agent_config import device_name
from gateway.sim.bench import Bench
from gateway.sim.emissions import LoraPacket
from gateway.sim.verbs.bluetooth import unplug_adapter
from gateway.sim.verbs.radios import (
    OnAdapter,
    OnDevice,
    OnModem,
    modem_of,
    modems_of,
    port_of,
)
from gateway.sim.verbs.verb import SHORT_S, Verb, verb

_NOISE_BYTES: Final = 64
_CHUNK_BYTES: Final = 1024
_LINE_END: Final = b"\r\n"
_STRANGER: Final = LoraPacket(address=60_999, payload=b"0102030405060708", rssi_dbm=-90, snr_db=5)
_WRONG_BAUD: Final = 2400  # no modem's usual one
_UNREAD_NS: Final = 1_000_000_000  # what came before was read by then
_REOPENED_S: Final = 20.0  # an agent that runs has opened its port again by then


class Overrun(OnModem):
    """More than a port can take."""

    count: Whole = Field(default=65_536, ge=1, le=10_000_000, alias="bytes")
    """How many bytes."""


class _Spoilt:
    """What an agent could not read from a port: excused from a moment before on, when it is over.

    A tty drops what nobody reads. So a real agent that has to open its port again has not heard
    what came before it did: that is waited for, where its log will tell.
    """

    def __init__(self, bench: Bench, port: str | None = None) -> None:
        self._bench = bench
        self._since_ns = bench.air.now_ns() - _UNREAD_NS
        self._text = f"transport serial:{port} is up"
        self._told = bench.gateway.log.count(self._text) if self._is_awaited else 0

    @property
    def _is_awaited(self) -> bool:
        bench = self._bench
        return bench.level == "process" and not bench.options.command and bench.gateway.running

    async def reopened(self) -> None:
        """Return when the agent has opened the port again, or cannot be expected to."""
        if self._is_awaited:
            with suppress(TimeoutError):
                await self._bench.until(self._is_up, within_s=_REOPENED_S)
        self.excuse()

    def _is_up(self) -> bool:
        return self._bench.gateway.log.count(self._text) > self._told

    def excuse(self) -> None:
        """Excuse what LoRa nodes sent until now."""
        air = self._bench.air
        nodes = (one.options for one in air.sensors if one.options.address.startswith("lora:"))
        devices = {device_name(options, air.agent) for options in nodes}
        air.ledger.excuse(self._since_ns, air.now_ns(), devices)


@asynccontextmanager
async def _unplug(bench: Bench, arguments: OnModem) -> AsyncGenerator[None]:
    """Pull the modem out; it is plugged in again at the end, under another tty name."""
    modem = modem_of(bench, arguments.on)
    spoilt = _Spoilt(bench, port_of(bench, arguments.on))
    modem.unplug()
    try:
        yield
    finally:
        modem.plug()
        await spoilt.reopened()


@asynccontextmanager
async def _silent(bench: Bench, arguments: OnModem) -> AsyncGenerator[None]:
    """Let the modem hang: it takes everything and says nothing."""
    port = modem_of(bench, arguments.on).uart
    port.silent = True
    try:
        yield
    finally:
        port.silent = False


@asynccontextmanager
async def _garbage(bench: Bench, arguments: OnModem) -> AsyncGenerator[None]:
    """Put some noise on the line."""
    chance = Random(bench.options.seed)  # noqa: S311 - has to be repeatable
    modem_of(bench, arguments.on).uart.write(chance.randbytes(_NOISE_BYTES))
    yield


@asynccontextmanager
async def _half_frame(bench: Bench, arguments: OnModem) -> AsyncGenerator[None]:
    """Cut a packet off in the middle of its way through the line."""
    modem = modem_of(bench, arguments.on)
    whole = modem.model.receive(_STRANGER)
    modem.uart.write(whole[: len(whole) // 2])
    yield


@asynccontextmanager
async def _overrun(bench: Bench, arguments: Overrun) -> AsyncGenerator[None]:
    """Send more at once than the port's buffer takes: the rest is dropped."""
    port, spoilt = modem_of(bench, arguments.on).uart, _Spoilt(bench)
    for _ in range(0, arguments.count, _CHUNK_BYTES):
        port.write(b"U" * _CHUNK_BYTES)
    port.write(_LINE_END)
    spoilt.excuse()
    yield


@asynccontextmanager
async def _reset(bench: Bench, arguments: OnModem) -> AsyncGenerator[None]:
    """Restart the modem without a warning: it says so and has forgotten its password."""
    modem = modem_of(bench, arguments.on)
    modem.uart.write(modem.model.boot())
    yield


@asynccontextmanager
async def _wrong_baud(bench: Bench, arguments: OnModem) -> AsyncGenerator[None]:
    """Let the modem speak at another rate than it should: neither side understands the other."""
    port = modem_of(bench, arguments.on).uart
    usual, port.baud = port.baud, lambda: _WRONG_BAUD
    try:
        yield
    finally:
        port.baud = usual


@asynccontextmanager
async def _usb_unplug(bench: Bench, arguments: OnDevice) -> AsyncGenerator[None]:
    """Pull an adapter or a modem out; it is plugged in again at the end."""
    if _is_modem(bench, arguments.on):
        async with _unplug(bench, OnModem(on=arguments.on)):
            yield
        return
    async with unplug_adapter(bench, OnAdapter(on=arguments.on)):
        yield


@asynccontextmanager
async def _usb_replug(bench: Bench, arguments: OnDevice) -> AsyncGenerator[None]:
    """Pull an adapter or a modem out and plug it in again at once, as a loose plug does."""
    async with _usb_unplug(bench, arguments):
        pass
    yield


def _is_modem(bench: Bench, name: str | None) -> bool:
    return name in modems_of(bench) or (name is None and not bench.options.adapters)


VERBS: Final[tuple[Verb, ...]] = (
    verb("usb.unplug", OnDevice, _usb_unplug, part="usb", usual_s=SHORT_S),
    verb("usb.replug", OnDevice, _usb_replug, part="usb", lasting=False),
    verb("serial.unplug", OnModem, _unplug, part="serial", usual_s=SHORT_S),
    verb("serial.silent", OnModem, _silent, part="serial", usual_s=SHORT_S),
    verb("serial.garbage", OnModem, _garbage, part="serial", lasting=False),
    verb("serial.reset", OnModem, _reset, part="serial", lasting=False),
    verb("serial.half_frame", OnModem, _half_frame, part="serial", lasting=False),
    verb("serial.overrun", Overrun, _overrun, part="serial", lasting=False),
    verb("serial.wrong_baud", OnModem, _wrong_baud, part="serial", usual_s=SHORT_S),
)
