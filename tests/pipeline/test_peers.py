"""Readings that gateways which many trust have dropped, as their public trackers tell it.

tests/planted makes the agent do as they did, and these tests go red.
"""

import pytest

from gateway.bundle import pack
from tests.pipeline.bench import Bench


# ThingsBoard Gateway #238: a value that is zero is taken for none, and never arrives.
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("40020000", '"air_temperature","result":0,'),
        ("40030000", '"relative_humidity","result":0,'),
        ("400100", '"battery_level","result":0,'),
        ("401A00", '"door_open","result":false'),
    ],
)
def test_zero_is_a_value_like_any_other(data: str, said: str) -> None:
    bench = Bench()
    bench.advertise(data)
    (taken,) = bench.shelf.taken
    assert said in pack(taken).tail
