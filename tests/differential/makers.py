"""What the makers' formats have in common here: manufacturer data, found by a name.

The frames that drivers carry as examples are those the libraries publish in their tests; with the
extremes of our own they are put before the libraries again.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import ModuleType

from habluetooth.models import BluetoothServiceInfoBleak
from hypothesis import strategies as st

from gateway.driver import LISTED_SERVICE, MANUFACTURER_DATA, LoadedDriver, codec
from tests.differential.agreement import ADDRESS, Said, Value, advertised

Parts = bytes | int | st.SearchStrategy[bytes]
Published = tuple[LoadedDriver, dict[str, str]]

any_byte = st.binary(min_size=1, max_size=1)


@cache
def loaded(module: ModuleType) -> LoadedDriver:
    """Return a driver as the registry reads it; of one module always the same."""
    return codec(module, foreign=False)


def frame(*parts: Parts) -> st.SearchStrategy[bytes]:
    """Return frames of parts: bytes as they are, so many of any value, or what is drawn."""
    drawn = [
        st.just(part)
        if isinstance(part, bytes)
        else st.binary(min_size=part, max_size=part)
        if isinstance(part, int)
        else part
        for part in parts
    ]
    return st.tuples(*drawn).map(b"".join)


def one_of(*values: int) -> st.SearchStrategy[bytes]:
    """Return one of some bytes."""
    return st.sampled_from(values).map(lambda value: bytes((value,)))


def number(low: int, high: int, size: int, order: str = "little") -> st.SearchStrategy[bytes]:
    """Return numbers as bytes, in two's complement below zero."""
    whole = 1 << 8 * size
    return st.integers(low, high).map(
        lambda value: (value % whole).to_bytes(size, "big" if order == "big" else "little")
    )


def published(*modules: ModuleType) -> list[Published]:
    """Return the examples of drivers."""
    return [
        (loaded(module), example)
        for module in modules
        for example in json.loads(Path(str(module.__file__)).with_suffix(".json").read_bytes())[
            "examples"
        ]
    ]


def label(one: Published) -> str:
    """Return how a test of an example is called."""
    return f"{one[0].model}: {one[1]['name']}"


def sent(driver: LoadedDriver, example: dict[str, str]) -> BluetoothServiceInfoBleak:
    """Return the advertisement an example was in."""
    payload = bytes.fromhex(example["payload"])
    listed = {match.identifier for match in driver.matches if match.ad_type == LISTED_SERVICE}
    identifier = example.get("identifier")
    if driver.payload == "manufacturer":
        made = {int.from_bytes(payload[:2], "little"): payload[2:]}
    else:
        made = {int(identifier) if identifier else own_company(driver): payload}
    return advertised(
        manufacturer=made,
        listed=[int(identifier)]
        if identifier and int(identifier) in listed
        else sorted(listed)[:1],
        name=example.get("local_name", ""),
        address=address_of(example),
    )


def own_company(driver: LoadedDriver) -> int:
    """Return the one company id a driver is found by."""
    (company,) = {m.identifier for m in driver.matches if m.ad_type == MANUFACTURER_DATA}
    return company


def address_of(example: dict[str, str]) -> str:
    """Return the address of an example's device as it is written."""
    return bytes.fromhex(example["address"]).hex(":").upper() if "address" in example else ADDRESS


def there(found: Said) -> Said:
    """Return what is said without what is said to be missing."""
    return {place: value for place, value in found.items() if value is not None}


def renamed(found: Said, change: Callable[[str, str, Value], tuple[str, str, Value]]) -> Said:
    """Return what is said with each (property, channel, value) changed."""
    changed = [change(*place, value) for place, value in found.items()]
    return {(name, channel): value for name, channel, value in changed}


ZERO = Decimal(0)
