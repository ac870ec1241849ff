"""Packets from LoRaWAN gateways over UDP, for ever: each is acknowledged, the uplinks are frames.

The protocol knows no authentication: what is not allowed is counted and not answered. An uplink
proves by its MIC whose it is, so who forges datagrams gains no reading. A flood of those who may
send is cut off before the JSON in it is read; one of strangers takes nothing from them.
"""

import asyncio
import ipaddress
import random
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from gateway.core import backoff
from gateway.health import Health
from gateway.lorawan import parse
from gateway.model import Frame, Intake, TransportState
from gateway.transport.refused import RefusedError
from gateway.transport.report import report
from gateway.transport.semtech import datagrams
from gateway.transport.semtech.datagrams import Datagram, Packet
from gateway.transport.waiting import set_within

MOST_GATEWAYS: Final = 64
PER_SECOND: Final = 500  # datagrams, and packets beyond the first of each
BURST: Final = 1_000
SILENT_S: Final = 120.0  # a forwarder calls every 10 s, and tells of itself every 30 s
FORGOTTEN_S: Final = 86_400.0

_TICK_S: Final = 1.0
_FIRST_RETRY_S: Final = 0.1
_MOST_RETRY_S: Final = 10.0
_NS_PER_S: Final = 1_000_000_000

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Peer = tuple[str, int] | tuple[str, int, int, int]


class ForwarderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, and who may send: of no networks any, of no gateways any."""

    name: str
    host: str
    port: int
    networks: tuple[str, ...] = ()
    gateways: frozenset[str] = frozenset()


class ForwarderTransport:
    """A `model.Transport`."""

    kind = "semtech-udp"

    def __init__(
        self,
        settings: ForwarderSettings,
        intake: Intake,
        health: Health,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._networks: list[_Network] = [ipaddress.ip_network(n) for n in settings.networks]
        self._intake = intake
        self._health = health
        self._record = health.transport(self.name, self.kind)
        self._boot_ns = health.clock.boot_ns
        self._chance = chance
        self._pulse = health.vitals.pulse(self.name)
        self._gateways: dict[str, int] = {}  # EUI -> boot time it called last
        self._stranger = ""  # who called last and may not
        self._tokens = float(BURST)
        self._tokens_at_ns = self._listening_since_ns = self._boot_ns()

    # -------------------------------------------------------------------------------------- listen
    async def run(self) -> None:
        """Hear for ever; cancel to end, the port is then free."""
        attempt = 0
        while True:
            self._pulse.beat()
            socket = _Socket(self._take)
            try:
                await self._listen(socket)
                attempt = 0
            except (OSError, UnicodeError) as error:
                where = f"{self._settings.host}:{self._settings.port}"
                cause = f"cannot listen on {where}: {getattr(error, 'strerror', None) or error}"
                report(self._health, self.name, TransportState.DOWN, cause)
            finally:
                await socket.close()
            await asyncio.sleep(
                backoff.delay_s(
                    attempt, self._chance(), first_s=_FIRST_RETRY_S, most_s=_MOST_RETRY_S
                )
            )
            attempt += 1

    async def _listen(self, socket: "_Socket") -> None:
        """Return when the socket has ended. Raises OSError or UnicodeError where there is none."""
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: socket, local_addr=(self._settings.host, self._settings.port)
        )
        self._listening_since_ns = self._boot_ns()
        while not await set_within(socket.ended, _TICK_S):
            self._pulse.beat()
            self._look()
        report(self._health, self.name, TransportState.DOWN, "the socket was lost")

    def _look(self) -> None:
        """Say how it stands."""
        now_ns = self._boot_ns()
        self._gateways = {
            eui: at_ns
            for eui, at_ns in self._gateways.items()
            if now_ns - at_ns < FORGOTTEN_S * _NS_PER_S
        }
        silent = list(self._silent(now_ns))
        if len(silent) < len(self._gateways):
            self._stranger = ""
            cause = f"not heard for {SILENT_S:g} s: {', '.join(silent)}" if silent else ""
            report(self._health, self.name, TransportState.UP, cause)
        elif now_ns - self._listening_since_ns >= SILENT_S * _NS_PER_S:
            self._report_deaf()

    def _silent(self, now_ns: int) -> Iterator[str]:
        for eui, at_ns in sorted(self._gateways.items()):
            if now_ns - at_ns >= SILENT_S * _NS_PER_S:
                yield eui

    def _report_deaf(self) -> None:
        cause = (
            f"no packet forwarder has called for {SILENT_S:g} s: its server_address has to be"
            f" this machine, serv_port_up and serv_port_down {self._settings.port}"
        )
        if self._stranger:
            cause += f"; {self._stranger} called, and allow does not name it"
        report(self._health, self.name, TransportState.DEAF, cause)

    # ---------------------------------------------------------------------------------------- take
    def _take(self, data: bytes, peer: _Peer) -> bytes:
        """Take a datagram; return what to answer, nothing where there is nothing to be said."""
        try:
            datagram = datagrams.read(data)
            self._admit(datagram, peer[0])
        except RefusedError as refused:
            self._record.count(refused.counter)
            return b""
        if not self._affords():
            self._record.count("flooded")
            return b""
        if datagram.kind == datagrams.PULL_DATA:
            self._record.count("pulls")
        else:
            self._record.count("pushes")
            self._push(datagram.body)
        return datagram.answer

    def _affords(self) -> bool:
        now_ns = self._boot_ns()
        earned = (now_ns - self._tokens_at_ns) * PER_SECOND / _NS_PER_S
        self._tokens = min(float(BURST), self._tokens + earned)
        self._tokens_at_ns = now_ns
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _admit(self, datagram: Datagram, host: str) -> None:
        """Note that a gateway has called. Raises RefusedError for one that may not."""
        eui, named = datagram.gateway, self._settings.gateways
        if (self._networks and not self._is_near(host)) or (named and eui not in named):
            # The first one: a line of the log for each of a thousand would be a flood, too.
            self._stranger = self._stranger or f"gateway {eui} at {host}"
            raise RefusedError(datagrams.NOT_ALLOWED)
        is_new = eui not in self._gateways
        if is_new and len(self._gateways) >= MOST_GATEWAYS:
            self._forget_a_silent_one()
        self._gateways[eui] = self._boot_ns()
        if is_new:
            self._look()

    def _forget_a_silent_one(self) -> None:
        """Make room: a gateway's name is soon made up. Raises RefusedError where all are heard."""
        eui, at_ns = min(self._gateways.items(), key=lambda each: each[1])
        if self._boot_ns() - at_ns < SILENT_S * _NS_PER_S:
            raise RefusedError(datagrams.TOO_MANY_GATEWAYS)
        del self._gateways[eui]

    def _is_near(self, host: str) -> bool:
        address = ipaddress.ip_address(host)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)

    def _push(self, body: bytes) -> None:
        try:
            for number, packet in enumerate(datagrams.packets(body)):
                if number and not self._affords():
                    self._record.count("flooded")
                elif isinstance(packet, RefusedError):
                    self._record.count(packet.counter)
                elif parse(packet.phy) is None:
                    self._record.count("no_uplinks")
                else:
                    self._hear(packet)
        except RefusedError as refused:
            self._record.count(refused.counter)

    def _hear(self, packet: Packet) -> None:
        address = self._intake.sender(packet.phy)
        at_ns = self._intake.admits(address, packet.phy, packet.rssi_dbm)
        if at_ns is not None:
            self._intake.hear(
                Frame(
                    medium="lora",
                    source=self.name,
                    address=address,
                    heard_at_ns=at_ns,
                    content=packet.phy,
                    payload=packet.phy,
                    is_uplink=True,
                    rssi_dbm=packet.rssi_dbm,
                    snr_db=packet.snr_db,
                    spreading_factor=packet.spreading_factor,
                    frequency_hz=packet.frequency_hz,
                )
            )


class _Socket(asyncio.DatagramProtocol):
    """The socket: what comes is taken and answered at once. One datagram a turn of the loop."""

    def __init__(self, take: Callable[[bytes, _Peer], bytes]) -> None:
        self.ended = asyncio.Event()
        self._take = take
        self._piles_up = False  # what the kernel does not take
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride] - it never is another
        """Begin."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: _Peer) -> None:
        """Take a datagram and answer it, unless answers pile up already."""
        answer = self._take(data, addr)
        if answer and self._transport is not None and not self._piles_up:
            self._transport.sendto(answer, addr)

    def pause_writing(self) -> None:
        """Answer nobody until the kernel takes answers again."""
        self._piles_up = True

    def resume_writing(self) -> None:
        """Answer again."""
        self._piles_up = False

    def error_received(self, exc: Exception) -> None:
        """Let it pass: an answer could not be delivered, and the forwarder will call again."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        del exc
        self.ended.set()

    async def close(self) -> None:
        """Give the port free."""
        if self._transport is not None:
            self._transport.abort()
            await self.ended.wait()
