"""A card that a gateway has booted from: how far it came, and what may differ then."""

import json

import pytest

from tests.flash.cards import MemoryCard
from tests.flash.test_seed_plant import change, flavour, planted, seed
from ugw_flash.outcome import NotWrittenError
from ugw_flash.seed.flavour import Flavour
from ugw_flash.seed.model import Seed
from ugw_flash.seed.read_back import FirstBoot, read_back

__all__ = ["flavour", "seed"]  # fixtures


def booted(medium: MemoryCard, state: dict[str, object] | bytes | None) -> FirstBoot | None:
    """Do to a card what a first boot does to it, and return what is read of it."""
    change(medium, "cmdline.txt", b"root=PARTUUID=5e3da3da-02 changed by the system\n")
    change(medium, "ugw/prepare.log", b"2026 set the clock\n")
    for name in ("ugw/etc/gw.key", "ugw/environment", "ugw/gateway.yaml"):
        change(medium, name, None)
    if state is not None:
        content = state if isinstance(state, bytes) else json.dumps(state).encode()
        change(medium, "ugw/first-boot.state", content)
    return read_back(medium).first_boot


@pytest.mark.parametrize("content", [b"x" * 9998 + b"y", None], ids=["changed", "gone"])
def test_a_kernel_that_differs_is_noticed_until_the_gateway_has_booted(
    seed: Seed, flavour: Flavour, content: bytes | None
) -> None:
    medium = planted(seed, flavour)
    change(medium, "kernel8.img", content)
    with pytest.raises(NotWrittenError, match=r"^kernel8\.img is (missing|not what was written)$"):
        read_back(medium)
    assert booted(medium, None) is not None


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "its first boot came to the step 'begun'"),
        (b'{"step": "pack', "its first boot came to the step 'begun'"),
        ({"step": "done", "ok": True, "cause": ""}, "its first boot is done"),
        (
            {"step": "check", "ok": False, "cause": "no clock\x1b[31m"},
            "its first boot came to the step 'check': no clock[31m",
        ),
    ],
)
def test_a_card_that_has_booted_says_how_far_it_came(
    seed: Seed, flavour: Flavour, state: dict[str, object] | None, said: str
) -> None:
    assert str(booted(planted(seed, flavour), state)) == said


def test_what_a_gateway_did_with_an_earlier_seed_is_told_from_what_it_did_with_this(
    seed: Seed,
) -> None:
    state: dict[str, object] = {"step": "done", "ok": True, "cause": "", "seed": "0" * 64}
    found = booted(planted(seed), state)
    assert found is not None
    assert "an earlier seed" in found.cause


def test_a_file_that_changed_is_noticed_after_a_first_boot_too(seed: Seed) -> None:
    medium = planted(seed)
    booted(medium, {"step": "done", "ok": True})
    change(medium, "ugw/prepare", b"rm -rf /\n")
    with pytest.raises(NotWrittenError, match="ugw/prepare is not what was written"):
        read_back(medium)


def test_what_is_not_of_a_type_of_ours_breaks_nothing(seed: Seed) -> None:
    for spoilt in (b"[1]", b'"done"', b'{"step": null}', b"\xff"):
        assert booted(planted(seed), spoilt) is not None
