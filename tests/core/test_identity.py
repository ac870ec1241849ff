"""Names of gateways and devices keep to the forms that topics and consumers rely on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.identity import eui64_urn, is_slug, node_urn, topic_level

SLUG = st.from_regex(r"\A[a-z0-9-]{1,64}\Z")


@pytest.mark.parametrize(
    "address",
    ["A4:C1:38:1B:2C:3D", "a4c1381b2c3d", "A4-C1-38-1B-2C-3D", "A4:C1:38:FF:FE:1B:2C:3D"],
)
def test_a_mac_address_is_widened_and_an_eui64_stays(address: str) -> None:
    assert eui64_urn(address) == "urn:dev:mac:a4c138fffe1b2c3d"


@pytest.mark.parametrize("address", ["", "lora:17", "A4:C1:38:1B:2C", "A4:C1:38:1B:2C:3G"])
def test_what_is_no_eui_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=repr(address)):
        eui64_urn(address)


@given(text=st.text() | SLUG)
def test_a_slug_is_one_to_64_letters_digits_and_hyphens(text: str) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert is_slug(text) == (1 <= len(text) <= 64 and set(text) <= allowed)


@pytest.mark.parametrize("size", [0, 65])
def test_a_slug_is_neither_empty_nor_overlong(size: int) -> None:
    assert not is_slug("a" * size)


@given(org=SLUG, name=SLUG)
def test_a_configured_device_is_named_in_topics_by_its_id(org: str, name: str) -> None:
    assert topic_level(node_urn(org, name)) == name


@given(address=st.binary(min_size=8, max_size=8))
def test_a_device_with_an_eui_is_named_in_topics_by_it(address: bytes) -> None:
    level = topic_level(eui64_urn(address.hex()))
    assert level == f"mac-{address.hex()}"
    assert is_slug(level)
