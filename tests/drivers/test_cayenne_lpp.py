"""Cayenne LPP: what else a packet holds changes neither a value nor its channel."""

import json
from pathlib import Path

import pytest

from drivers.lora import cayenne_lpp
from gateway.core.context import Context
from gateway.core.refusal import DecodeError

FILE = Path(cayenne_lpp.__file__).with_suffix(".json")
PAYLOADS = [bytes.fromhex(e["payload"]) for e in json.loads(FILE.read_bytes())["examples"]]

OTHER = b"\xc8\x78\x55"  # 85 % of sensor 200, which no example has
OTHERS = [("percentage", 85, 0, "200")]

# Of the published table, and 122 of pycayennelpp's.
TYPES = {
    *range(4),
    *range(100, 105),
    113,
    *range(115, 119),
    *range(120, 123),
    125,
    128,
    *range(130, 137),
    142,
    240,
}


def test_every_type_of_the_published_table_has_an_example() -> None:
    assert {payload[1] for payload in PAYLOADS if payload} == TYPES


@pytest.mark.parametrize("payload", PAYLOADS, ids=bytes.hex)
def test_a_value_reads_the_same_before_and_after_another(payload: bytes) -> None:
    readings = cayenne_lpp.decode(payload, Context())
    assert cayenne_lpp.decode(OTHER + payload, Context()) == OTHERS + readings
    assert cayenne_lpp.decode(payload + OTHER, Context()) == readings + OTHERS


@pytest.mark.parametrize("unknown", sorted(set(range(256)) - TYPES))
def test_an_unknown_type_refuses_the_packet(unknown: int) -> None:
    with pytest.raises(DecodeError, match="bad_type"):
        cayenne_lpp.decode(OTHER + bytes([1, unknown]) + bytes(12), Context())
