"""Uplink events of network servers: what a node said, and how it was received best.

ChirpStack v4 (docs: Integrations, Event types, `up`) and The Things Stack (docs: Data formats,
Uplink messages). Both leave out what is 0, false or empty. Their times are not read: an event is
as old as its way here, and our own clock says how good it is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Final, TypeVar

import msgspec

from gateway.lorawan import SPACE
from gateway.transport import radio
from gateway.transport.refused import UNREADABLE, Counter, RefusedError

MALFORMED: Final = Counter("bad_events")
ENCRYPTED: Final = Counter("encrypted_events")
SIMULATED: Final = Counter("simulated_events")

_EUI: Final = re.compile(r"[0-9a-f]{16}")
_FCnt = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
_FPort = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Payload = Annotated[bytes, msgspec.Meta(max_length=255)]
_Frequency = Annotated[str, msgspec.Meta(pattern="^[0-9]{0,12}$")]  # whole numbers of 64 bits

_LEAST: Final = float("-inf")

T = TypeVar("T")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An uplink, in clear."""

    address: str  # eui:70b3d57ed0001234
    counter: int
    port: int
    payload: bytes
    rssi_dbm: int | None = None
    snr_db: float | None = None
    spreading_factor: int | None = None
    frequency_hz: int | None = None


Reader = Callable[[bytes], Event]


class _Reception(msgspec.Struct):
    """By one gateway."""

    rssi: float | None = None
    snr: float | None = None


# -------------------------------------------------------------------------------------- ChirpStack
class _DeviceInfo(msgspec.Struct, rename="camel"):
    dev_eui: str


class _Lora(msgspec.Struct, rename="camel"):
    spreading_factor: int | None = None


class _Modulation(msgspec.Struct):
    lora: _Lora | None = None


class _TxInfo(msgspec.Struct):
    frequency: int | None = None
    modulation: _Modulation = msgspec.field(default_factory=_Modulation)


class _Up(msgspec.Struct, rename="camel"):
    device_info: _DeviceInfo
    f_cnt: _FCnt = 0
    f_port: _FPort = 0
    data: _Payload = b""
    rx_info: list[_Reception] = []
    tx_info: _TxInfo = msgspec.field(default_factory=_TxInfo)
    join_server_context: msgspec.Raw = msgspec.Raw()


_UP: Final = msgspec.json.Decoder(_Up)


def chirpstack(payload: bytes) -> Event:
    """Read an event of ChirpStack v4. Raises RefusedError."""
    up = _decoded(_UP, payload)
    if bytes(up.join_server_context) not in (b"", b"null"):  # only its owner has the AppSKey
        raise RefusedError(ENCRYPTED)
    lora = up.tx_info.modulation.lora or _Lora()
    best = _best(up.rx_info)
    return Event(
        address=_address(up.device_info.dev_eui),
        counter=up.f_cnt,
        port=up.f_port,
        payload=up.data,
        rssi_dbm=radio.rssi_dbm(best.rssi),
        snr_db=radio.snr_db(best.snr),
        spreading_factor=radio.spreading_factor(lora.spreading_factor),
        frequency_hz=radio.frequency_hz(up.tx_info.frequency),
    )


# -------------------------------------------------------------------------------- The Things Stack
class _DeviceIds(msgspec.Struct):
    dev_eui: str


class _TtsLora(msgspec.Struct):
    spreading_factor: int | None = None


class _DataRate(msgspec.Struct):
    lora: _TtsLora | None = None


class _Settings(msgspec.Struct):
    data_rate: _DataRate = msgspec.field(default_factory=_DataRate)
    frequency: _Frequency = ""


class _UplinkMessage(msgspec.Struct):
    f_cnt: _FCnt = 0
    f_port: _FPort = 0
    frm_payload: _Payload = b""
    rx_metadata: list[_Reception] = []
    settings: _Settings = msgspec.field(default_factory=_Settings)
    app_s_key: msgspec.Raw = msgspec.Raw()


class _Message(msgspec.Struct):
    end_device_ids: _DeviceIds
    uplink_message: _UplinkMessage
    simulated: bool = False


_MESSAGE: Final = msgspec.json.Decoder(_Message)


def the_things_stack(payload: bytes) -> Event:
    """Read an uplink message of The Things Stack v3. Raises RefusedError."""
    message = _decoded(_MESSAGE, payload)
    up = message.uplink_message
    if message.simulated:  # typed in at a console: nothing was measured
        raise RefusedError(SIMULATED)
    if bytes(up.app_s_key) not in (b"", b"null"):  # it was told to skip payload crypto
        raise RefusedError(ENCRYPTED)
    lora, best = up.settings.data_rate.lora or _TtsLora(), _best(up.rx_metadata)
    return Event(
        address=_address(message.end_device_ids.dev_eui),
        counter=up.f_cnt,
        port=up.f_port,
        payload=up.frm_payload,
        rssi_dbm=radio.rssi_dbm(best.rssi),
        snr_db=radio.snr_db(best.snr),
        spreading_factor=radio.spreading_factor(lora.spreading_factor),
        frequency_hz=radio.frequency_hz(int(up.settings.frequency or 0)),
    )


READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {"chirpstack": chirpstack, "the-things-stack": the_things_stack}
)


# -------------------------------------------------------------------------------------------- both
def _decoded(decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
    try:
        return decoder.decode(payload)
    except UNREADABLE:
        raise RefusedError(MALFORMED) from None


def _address(eui: str) -> str:
    lower = eui.lower()
    if _EUI.fullmatch(lower) is None:
        raise RefusedError(MALFORMED)
    return SPACE + lower


def _best(receptions: Sequence[_Reception]) -> _Reception:
    """Return the reception with the most signal above the noise."""
    return max(receptions, key=_strength, default=_Reception())


def _strength(reception: _Reception) -> tuple[float, float]:
    snr, rssi = reception.snr, reception.rssi
    return _LEAST if snr is None else snr, _LEAST if rssi is None else rssi
