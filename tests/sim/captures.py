"""Captures to try things at: records of every kind, made up or of simulated sensors."""

from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st

from gateway.core.advertisement import uuid_number
from gateway.model import Structure
from gateway.sim.bluez_air import Advertisement
from gateway.sim.capture import Header, Record, Writer
from gateway.sim.course import timeline
from gateway.sim.emissions import Emission, LoraPacket
from gateway.sim.sensors import Sensor, SensorOptions

STARTED = "2026-11-22T10:00:00.123Z"
STARTED_US = 1_795_341_600_123_000
LAMP, PARK, NODE = "C0:FF:EE:12:34:56", "C0:FF:EE:12:34:57", "lora:17"
KEY = bytes(range(16))
HEADER = Header.at(STARTED_US, gateway="gw-1", software="ugw test")

_bytes = st.binary(max_size=40)
_ble = st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":").upper())
_lora = st.one_of(
    st.integers(0, 65535).map(lambda number: f"lora:{number}"),
    st.binary(min_size=8, max_size=8).map(lambda octets: f"eui:{octets.hex()}"),
    st.binary(min_size=4, max_size=4).map(lambda octets: f"lorawan:{octets.hex()}"),
)
_common = {
    "at_us": st.integers(0, 10**14),
    "source": st.sampled_from(("ble:hci0", "serial:usb-LoRa_A1-if00", "x" * 256)),
    "rssi_dbm": st.none() | st.integers(-200, 127),
}
_structure: st.SearchStrategy[Structure] = st.one_of(
    st.tuples(st.just(0xFF), st.integers(0, 0xFFFF), _bytes),
    st.tuples(st.sampled_from((0x16, 0x03)), st.integers(0, (1 << 128) - 1), _bytes),
    st.tuples(st.just(0x09), st.just(0), _bytes),
    st.tuples(st.integers(0, 254), st.integers(0, 1 << 33), _bytes),
)
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(
        Record,
        **_common,
        medium=st.just("ble"),
        address=_ble,
        address_type=st.sampled_from(("", "public", "random")),
        structures=st.lists(_structure, max_size=4).map(tuple),
        payload=_bytes,
        polled=st.booleans(),
    ),
    st.builds(
        Record,
        **_common,
        medium=st.just("lora"),
        address=_lora,
        payload=_bytes,
        snr_db=st.none() | st.integers(-512, 512).map(lambda quarters: quarters / 4),
        spreading_factor=st.none() | st.integers(5, 12),
        frequency_hz=st.none() | st.integers(0, 10**10),
        is_uplink=st.booleans(),
        port=st.none() | st.integers(0, 255),
        counter=st.none() | st.integers(0, (1 << 32) - 1),
        flags=st.lists(st.sampled_from(("replay_possible", "a-b")), max_size=2).map(tuple),
    ),
    st.builds(
        Record,
        **_common,
        medium=st.just("serial"),
        payload=_bytes,
        modem=st.sampled_from(("reyax-rylr998", "rnode")),
    ),
)


def heard(*options: SensorOptions, for_s: float) -> list[Record]:
    """Return what simulated sensors send in a time, as it would be recorded."""
    sensors = [Sensor(each, seed=1) for each in options]
    found: list[Record] = []
    for at_s, emission in timeline(sensors):
        if at_s > for_s:
            break
        found += _records(at_s, emission)
    return found


def _records(at_s: float, emission: Emission) -> Iterable[Record]:
    at_us = round(at_s * 1e6)
    for copy in emission.copies:
        if isinstance(copy, LoraPacket):
            yield Record(
                at_us=at_us,
                medium="lora",
                source="serial:usb-lora",
                address=emission.address,
                payload=copy.payload,
                rssi_dbm=copy.rssi_dbm,
                snr_db=copy.snr_db,
            )
        else:
            yield Record(
                at_us=at_us,
                medium="ble",
                source="ble:hci0",
                address=copy.address,
                address_type="random" if copy.address_type == "random" else "",
                structures=structures(copy),
                rssi_dbm=copy.rssi_dbm,
            )


def structures(report: Advertisement) -> tuple[Structure, ...]:
    """Return what a report carries, as a transport hands it over."""
    found = [(0xFF, company, data) for company, data in report.manufacturer.items()]
    found += [(0x16, uuid_number(uuid), data) for uuid, data in report.services.items()]
    found += [(0x09, 0, report.name.encode())] if report.name else []
    found += [(0x03, uuid_number(uuid), b"") for uuid in report.uuids]
    return tuple(found)


def written(path: Path, records: Iterable[Record], header: Header = HEADER) -> Path:
    """Write a capture and return its path."""
    with Writer(path, header) as writer:
        writer.write(records)
    return path
