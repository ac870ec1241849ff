"""What the simulator marshals by hand is, byte for byte, what dbus-fast makes of the same."""

from dbus_fast import Message, MessageType, Variant
from hypothesis import given
from hypothesis import strategies as st

from gateway.sim import bluez_names as names
from gateway.sim import bluez_wire as wire
from gateway.sim.bluez_air import uuid_text

PATH = names.device_path("hci0", "C0:FF:EE:00:00:01")
DATA = st.binary(max_size=255)
MANUFACTURERS = st.dictionaries(st.integers(0, 0xFFFF), DATA, min_size=1, max_size=4)
SERVICES = st.dictionaries(
    st.integers(0, (1 << 128) - 1).map(uuid_text), DATA, min_size=1, max_size=4
)


def marshalled(serial: int, changed: dict[str, Variant]) -> bytes:
    """Return the signal as dbus-fast has it."""
    message = Message(
        message_type=MessageType.SIGNAL,
        path=PATH,
        interface=names.PROPERTIES,
        member="PropertiesChanged",
        signature="sa{sv}as",
        body=[names.DEVICE, changed, []],
        serial=serial,
    )
    return bytes(message._marshall(negotiate_unix_fd=False))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def by_key(signature: str, content: dict[int, bytes] | dict[str, bytes]) -> Variant:
    return Variant(signature, {key: Variant("ay", data) for key, data in content.items()})


@given(
    serial=st.integers(1, (1 << 32) - 1),
    rssi=st.none() | st.integers(-127, 20),
    manufacturers=st.none() | MANUFACTURERS,
    services=st.none() | SERVICES,
)
def test_a_change_is_marshalled_as_dbus_fast_marshals_it(
    serial: int,
    rssi: int | None,
    manufacturers: dict[int, bytes] | None,
    services: dict[str, bytes] | None,
) -> None:
    ours: list[bytes] = []
    theirs: dict[str, Variant] = {}
    if rssi is not None:
        ours.append(wire.rssi(rssi))
        theirs["RSSI"] = Variant("n", rssi)
    if manufacturers is not None:
        ours.append(wire.manufacturer_data(manufacturers))
        theirs["ManufacturerData"] = by_key("a{qv}", manufacturers)
    if services is not None:
        ours.append(wire.service_data(services))
        theirs["ServiceData"] = by_key("a{sv}", services)
    assert wire.ChangedSignal(PATH).marshalled(serial, ours) == marshalled(serial, theirs)
