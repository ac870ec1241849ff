"""How a connection to the broker begins and ends: TCP, TLS, CONNECT; farewell and DISCONNECT.

An overlay, also for what else is rare in one. No wait blocks the loop, and all of them together
are bounded; what a chip takes to compute a handshake is the exception nobody can help. Trust is
not negotiable: with TLS the broker's certificate and name are always verified. Errors say cause
and remedy.
"""

import asyncio
import errno
import select
import socket
import time
from os import urandom

from gateway.core import backoff

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from gateway.esp32.uplink import Uplink

_PATIENCE_MS = 15000
_STALLED_MS = 5_000  # of a packet that is too long to be taken
_STEP_MS = 20
_LEAVE_MS = 2000
_HANG_UP_MS = 100  # within which the uplink has noticed
_SECRETS = (160, 1280, 2560)  # bytes of a key, DER: elliptic, RSA with 2048 bits and with 4096

_SILENT = "does not answer: does a firewall let us through?"
_NO_PROTOCOL = "does this port speak {}, as mqtt.tls says?"
# Codes of CONNACK (MQTT 3.1.1, 3.2.2.3).
_REFUSED = (
    "it speaks no MQTT 3.1.1",
    "it does not like our client id",
    "it is not available",
    "user or password is wrong (mqtt.username, mqtt.password)",
    "we are not authorised: user, password, or its access list",
)
# What mbedtls says of a certificate (its x509.h) -> cause and remedy.
_CERTIFICATE = (
    ("not correctly signed", "it is not trusted: mqtt.tls.ca must name its authority"),
    ("does not match", "it is for another host: mqtt.host must be the name it was issued for"),
    ("expired", "it has expired: renew it, or is the clock wrong? It says {}"),
    ("in the future", "it is not yet valid: is the clock wrong? It says {}"),
)
# Numbers of mbedtls (its ssl.h) -> cause and remedy.
_TLS = {
    -0x7780: "refuses us: is mqtt.tls.cert there, valid, and from an authority it trusts?",
    -0x7280: "closes during the handshake: " + _NO_PROTOCOL.format("TLS"),
    -0x7200: _NO_PROTOCOL.format("TLS"),
    -0x6E80: "speaks no TLS that is safe enough: 1.2 it must be",
}
_NETWORK = {
    errno.ECONNREFUSED: "refuses connections: is the broker running, on that port?",
    errno.ECONNRESET: "closed the connection: " + _NO_PROTOCOL.format("TLS or not"),
    errno.EHOSTUNREACH: "cannot be reached: is it in this network?",
}


async def dial(uplink: "Uplink", address: str) -> socket.socket:
    """Return what reads and writes without waiting; raises OSError with the cause."""
    call = Call(uplink)
    try:
        await call.connect(address)
        if uplink.site.mqtt["tls"]:
            call.wire = _secured(uplink, call.wire)
        # The first write is what drives the handshake.
        await call.write(_hello(uplink))
        _accepted(await call.read(4))
        if uplink.topics:
            await call.write(_subscription(uplink))
    except (OSError, ValueError) as error:
        call.wire.close()
        cause = f"{uplink.server}:{uplink.port}: {_cause(error)}"
        raise OSError(cause) from None
    except asyncio.CancelledError:
        call.wire.close()
        raise
    return call.wire


class Call:
    """Waits of one dialling, which end together."""

    def __init__(self, uplink: "Uplink") -> None:
        self.uplink = uplink
        self.until = uplink.clock.now() + _PATIENCE_MS
        self.wire = socket.socket()
        self.wire.setblocking(False)

    async def connect(self, address: str) -> None:
        """Connect over TCP."""
        poller = select.poll()
        poller.register(self.wire, select.POLLOUT)
        try:
            self.wire.connect(socket.getaddrinfo(address, self.uplink.port)[0][-1])
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise
        while not poller.poll(0):
            await self._wait()

    async def write(self, data: bytes) -> None:
        """Write all of it."""
        rest = memoryview(data)
        while True:
            rest = rest[self.wire.write(rest) or 0 :]
            if not rest:
                return
            await self._wait()

    async def read(self, count: int) -> bytes:
        """Read as much, exactly."""
        data = b""
        while True:
            got = self.wire.read(count - len(data))
            if got == b"":
                raise OSError(errno.ECONNRESET)
            data += got or b""
            if len(data) == count:
                return data
            await self._wait()

    async def _wait(self) -> None:
        if self.uplink.clock.now() > self.until:
            raise OSError(_SILENT)
        self.uplink.beat()
        await asyncio.sleep_ms(_STEP_MS)


# ---------------------------------------------------------------------------------------- TLS
def _secured(uplink: "Uplink", wire: socket.socket) -> socket.socket:
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    folder = uplink.site.path + "/site/"
    what = "ca.der"
    try:
        context.load_verify_locations(_file(folder + what))
        what = "client.der"
        cert = _file(folder + what, optional=True)
        if cert:
            what += " with tls_key"
            context.load_cert_chain(cert, _secret("tls_key"))
    except (OSError, ValueError) as error:
        cause = f"cannot use {what}: {error}"
        raise OSError(cause) from None
    return context.wrap_socket(wire, server_hostname=uplink.server, do_handshake_on_connect=False)


def _file(path: str, optional: bool = False) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if optional and error.errno == errno.ENOENT:
            return b""
        raise


def _secret(name: str) -> bytes:
    """Read from NVS what is not to stay in memory; nothing where there is none."""
    from esp32 import NVS

    for size in _SECRETS:
        buffer = bytearray(size)
        try:
            return bytes(memoryview(buffer)[: NVS("ugw").get_blob(name, buffer)])
        except OSError:
            pass  # too large for that, or there is none
    return b""


# --------------------------------------------------------------------------------------- MQTT
def _hello(uplink: "Uplink") -> bytes:
    """Render CONNECT. The session is kept: what was not acknowledged is sent again."""
    user, password = (uplink.site.mqtt.get(key) for key in ("user", "password"))
    flags = 0
    fields = _text(uplink.client_id)
    if uplink.lw_topic:
        flags = 0x04 | uplink.lw_qos << 3 | uplink.lw_retain << 5
        fields += _text(uplink.lw_topic) + _text(uplink.lw_msg)
    if user:
        flags |= 0x80 | (0x40 if password else 0)
        fields += _text(user) + (_text(password) if password else b"")
    keepalive = bytes((uplink.keepalive >> 8, uplink.keepalive & 255))
    return _packet(0x10, b"\0\4MQTT\4" + bytes((flags,)) + keepalive + fields)


def _subscription(uplink: "Uplink") -> bytes:
    uplink.pid = pid = uplink.pid % 65535 + 1  # the oldest of all: the least likely in flight
    topics = b"".join([_text(topic) + b"\1" for topic in uplink.topics])
    return _packet(0x82, bytes((pid >> 8, pid & 255)) + topics)


def _packet(kind: int, body: bytes) -> bytes:
    size = len(body)
    head = bytes((kind,))
    while size > 127:
        head += bytes((size & 127 | 128,))
        size >>= 7
    return head + bytes((size,)) + body


def _text(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return bytes((len(data) >> 8, len(data) & 255)) + data


def _accepted(connack: bytes) -> None:
    if connack[:2] != b"\x20\2":
        raise OSError(_NO_PROTOCOL.format("MQTT"))
    if connack[3]:
        known = connack[3] <= len(_REFUSED)
        raise OSError("refuses us: " + (_REFUSED[connack[3] - 1] if known else str(connack[3])))


def _cause(error: Exception) -> str:
    """Put what mbedtls and the network say into words."""
    if isinstance(error, ValueError):
        for sign, cause in _CERTIFICATE:
            if sign in str(error):
                return "its certificate: " + cause.format("-".join(map(str, time.gmtime()[:3])))
        return "its certificate: " + str(error).strip()
    code = error.args[0] if error.args else 0
    words = _TLS.get(code) or _NETWORK.get(code)
    return words or str(error)


# ------------------------------------------------------------------------------------ the rest
def patience(uplink: "Uplink") -> int:
    """Return after how many of its ticks to try again, and count the failure."""
    chance = urandom(1)[0] / 256
    wait_s = backoff.delay_s(
        uplink.attempt, chance, first_s=backoff.FIRST_S, most_s=backoff.MOST_S
    )
    uplink.attempt += 1
    return int(wait_s * 20)


async def skip(uplink: "Uplink", stream: asyncio.StreamReader, size: int) -> None:
    """Read over a packet that is longer than the buffer, which is full of its beginning.

    It is acknowledged nevertheless: or it would come again with each connection. Raises OSError
    when it does not come on: other overlays wait meanwhile.
    """
    buffer = uplink.buf
    most = len(buffer)
    head = 2
    while buffer[head - 1] > 127:
        head += 1
    at = head + 2 + (buffer[head] << 8 | buffer[head + 1])
    puback = b"\x40\2" + bytes(buffer[at : at + 2])
    wanted = buffer[0] & 0xF6 == 0x32
    size -= most
    while size:
        view = memoryview(buffer)[: min(size, most)]
        try:
            count = await asyncio.wait_for_ms(stream.readinto(view), _STALLED_MS)
        except asyncio.TimeoutError:  # noqa: UP041 - MicroPython's is another
            raise OSError(errno.ETIMEDOUT) from None
        if count == 0:
            raise OSError(errno.ECONNRESET)
        size -= count or 0
    uplink.skipped += 1
    if wanted and len(puback) == 4:
        uplink.write(puback)


async def leave(uplink: "Uplink", farewell: bytes) -> None:
    """Publish the farewell, wait for what is not acknowledged, disconnect."""
    until = uplink.clock.now() + _LEAVE_MS
    while uplink.up and uplink.clock.now() < until:
        if uplink.can_send:
            if farewell:
                uplink.begin(uplink.lw_topic, len(farewell))
                uplink.add(farewell)
                uplink.send(True)
                farewell = b""
            elif not uplink.in_flight:
                # Only then: a DISCONNECT takes the will back, which else says that we are gone.
                uplink.write(b"\xe0\0")
                break
        await asyncio.sleep_ms(_STEP_MS)
    uplink.drop("closed")
    await asyncio.sleep_ms(_HANG_UP_MS)
