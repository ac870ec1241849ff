"""The way to the network: brought up, kept up, and what is wrong with it in words."""

import asyncio
import sys
from collections.abc import Callable
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gateway.esp32 import console
from gateway.esp32.link import Link

SECRET = b"correct horse"
REFUSED = "Wifi Internal State Error"
GOT_IP, IDLE, CONNECTING = 1010, 1000, 1001
ETH_CONNECTED, ETH_GOT_IP, ETH_DISCONNECTED = 3, 5, 4


class Chip:
    """A board's network, in a made-up time that passes where the agent sleeps.

    `air` says what an attempt comes to at a time: a reason of failure, or GOT_IP; for a cable, a
    status. What was done is in `done`, with its time.
    """

    def __init__(self, air: Callable[[int], int]) -> None:  # noqa: C901 - one per method of its
        self.now_ms = self.until_ms = 0
        self.air = air
        self.done: list[tuple[int, str]] = []
        self.wanted = self.on = False
        self.radio_on_at: set[int] = set()
        self.settings: dict[str, object] = {}
        self.made: dict[str, object] = {}
        chip = self

        class Wlan:
            PM_NONE = 0

            def active(self, on: bool) -> None:  # noqa: FBT001 - as the chip's
                chip.on, chip.wanted = on, chip.wanted and on

            def config(self, **settings: object) -> None:
                assert chip.on
                chip.settings.update(settings)

            def connect(self, ssid: str, key: bytes) -> None:
                if chip.air(chip.now_ms) < 0:
                    raise OSError(REFUSED)
                assert chip.on
                assert not chip.wanted
                assert (ssid, key) == ("Foerde", SECRET)
                chip.wanted = True
                chip.done.append((chip.now_ms, "connect"))

            def isconnected(self) -> bool:
                return chip.wanted and chip.air(chip.now_ms) == GOT_IP

            def status(self, *what: str) -> int:
                reason = chip.air(chip.now_ms)
                if what and reason not in (CONNECTING, GOT_IP):
                    raise OSError(reason)
                return reason

            def ifconfig(self) -> tuple[str, ...]:
                return ("192.0.2.5", "255.255.255.0", "192.0.2.1", "192.0.2.53")

        class Lan:
            def __init__(self, **wiring: object) -> None:
                assert not chip.made
                chip.made = wiring

            def active(self, _: bool) -> None:  # noqa: FBT001 - as the chip's
                chip.done.append((chip.now_ms, "active"))

            def isconnected(self) -> bool:
                return chip.air(chip.now_ms) == ETH_GOT_IP

            def status(self) -> int:
                return chip.air(chip.now_ms)

            ifconfig = Wlan.ifconfig

        self.network = ModuleType("network")
        self.network.__dict__.update(
            WLAN=Wlan, LAN=Lan, PHY_LAN8720=7, ETH_CONNECTED=ETH_CONNECTED, hostname=self.name
        )
        self.machine = ModuleType("machine")
        self.machine.__dict__.update(Pin=lambda number: f"pin {number}")

    def name(self, hostname: str) -> None:
        self.hostname = hostname

    async def sleep_ms(self, ms: int) -> None:
        if self.on:
            self.radio_on_at.add(self.now_ms)
        self.now_ms += ms
        if self.now_ms > self.until_ms:
            raise TimeoutError


Lives = Callable[..., tuple[Chip, Any]]


@pytest.fixture(name="lives")
def _lives(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Lives:
    assert said == []

    def lives(air: Callable[[int], int], until_ms: int, **settings: object) -> tuple[Chip, Any]:
        """Let a link live on a chip for so long."""
        chip = Chip(air)
        monkeypatch.setitem(sys.modules, "network", chip.network)
        monkeypatch.setitem(sys.modules, "machine", chip.machine)
        monkeypatch.setattr(asyncio, "sleep_ms", chip.sleep_ms, raising=False)
        network = {"ssid": "Foerde", "psk": SECRET, "hostname": "gw-1", "ethernet": None}
        ble = settings.pop("ble", None)
        site = SimpleNamespace(network={**network, **settings}, ble=ble)
        link = Link(site)  # type: ignore[arg-type]
        monkeypatch.setattr(link, "on_beat", lambda: chip.done.append((chip.now_ms, "beat")))

        chip.until_ms = until_ms
        with pytest.raises(TimeoutError):
            asyncio.run(link.run())
        return chip, link

    return lives


@pytest.fixture(name="said")
def _said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []

    def say(event: str, **fields: object) -> None:
        lines.append(event + "".join(f" {name}={fields[name]}" for name in sorted(fields)))

    monkeypatch.setattr(console, "say", say)
    return lines


def test_it_joins_and_says_so(lives: Lives, said: list[str]) -> None:
    chip, link = lives(lambda ms: GOT_IP if ms > 2_000 else CONNECTING, 5_000)
    assert (link.up, link.cause, link.dns()) == (True, "", ("192.0.2.53",))
    assert chip.hostname == "gw-1"
    assert said == ["network up address=192.0.2.5"]


@pytest.mark.parametrize(("ble", "asked"), [(None, {"pm": 0}), ({"scan": "active"}, {})])
def test_wifi_sleeps_where_bluetooth_shares_its_antenna_and_tries_a_few_times_by_itself(
    ble: object, asked: dict[str, object], lives: Lives
) -> None:
    chip, _ = lives(lambda _: GOT_IP, 1_000, ble=ble)
    assert chip.settings == {"reconnects": 2, **asked}


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (201, "no Wi-Fi named Foerde that this board can join is in reach"),
        (202, "the Wi-Fi does not take the password"),
        (15, "the Wi-Fi does not take the password"),
        (200, "the access point fell silent"),
        (5, "the access point does not let us in (reason 5)"),
        (CONNECTING, "joined, but the network gives no address (DHCP)"),
        (-1, "the chip refuses what the network's settings ask for (Wifi Internal State Error)"),
    ],
)
def test_why_there_is_no_network_is_said_in_words_and_once(
    reason: int, cause: str, lives: Lives, said: list[str]
) -> None:
    _, link = lives(lambda _: reason, 600_000)
    assert (link.up, link.cause) == (False, cause)
    assert said == [f"network down cause={cause}"]


def test_it_comes_back_after_a_loss_and_the_loss_is_told(lives: Lives, said: list[str]) -> None:
    chip, link = lives(lambda ms: 200 if 60_000 < ms < 90_000 else GOT_IP, 200_000)
    assert link.up
    assert said == [
        "network up address=192.0.2.5",
        "network down cause=the access point fell silent",
        "network up address=192.0.2.5",
    ]
    attempts = [at for at, what in chip.done if what == "connect"]
    assert attempts[0] == 0
    assert 60_000 < attempts[1] < 65_500  # the first pause is 4 s at most


def test_pauses_grow_and_the_radio_is_off_in_them(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.esp32.link.random", lambda: 0.999)
    chip, _ = lives(lambda _: 201, 900_000)
    attempts = [at for at, what in chip.done if what == "connect"]
    pauses = [later - at - 25_000 for at, later in pairwise(attempts)]
    assert pauses[:6] == [3_500, 7_500, 15_500, 31_500, 59_500, 59_500]
    assert set(pauses[4:]) == {59_500}
    tried = {at + ms for at in attempts for ms in range(0, 25_000, 500)}
    assert chip.radio_on_at <= tried


def test_after_a_good_time_the_first_pause_is_short_again(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.esp32.link.random", lambda: 0.999)
    chip, _ = lives(lambda ms: GOT_IP if 300_000 < ms < 900_000 else 201, 960_000)
    lost = [at for at, what in chip.done if what == "connect" and at >= 900_000]
    assert lost[0] == 903_500


def test_it_gives_signs_of_life_whatever_it_waits_for(lives: Lives) -> None:
    for air in (lambda _: 201, lambda _: GOT_IP):
        chip, _ = lives(air, 300_000)
        beats = [at for at, what in chip.done if what == "beat"]
        assert max(later - at for at, later in pairwise(beats)) <= 1_000


def test_ethernet_is_made_once_of_what_the_site_says_and_comes_back_with_the_cable(
    lives: Lives, said: list[str]
) -> None:
    wiring = {"mdc": 23, "mdio": 18, "power": 12, "phy_type": "PHY_LAN8720", "phy_addr": 0}
    chip, link = lives(
        lambda ms: ETH_DISCONNECTED if 50_000 < ms < 150_000 else ETH_GOT_IP,
        300_000,
        ssid="",
        ethernet=wiring,
    )
    assert chip.made == {
        "mdc": "pin 23", "mdio": "pin 18", "power": "pin 12", "phy_type": 7, "phy_addr": 0
    }  # fmt: skip
    assert link.up
    assert said[1] == (
        "network down cause=the cable is not plugged in, or nothing is at its other end"
    )
    assert said[0] == said[2] == "network up address=192.0.2.5"


def test_a_wired_network_without_addresses_is_told(lives: Lives) -> None:
    _, link = lives(lambda _: ETH_CONNECTED, 60_000, ssid="", ethernet={"phy_addr": 0})
    assert link.cause == "joined, but the network gives no address (DHCP)"


def test_wiring_that_the_chip_does_not_know_is_told(lives: Lives) -> None:
    _, link = lives(lambda _: 0, 60_000, ssid="", ethernet={"phy_type": "PHY_NONE"})
    assert link.cause.startswith("the chip refuses what the network's settings ask for (")


def test_whoever_waits_for_the_network_goes_on_when_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = Link(SimpleNamespace())  # type: ignore[arg-type]
    looks = []

    async def sleep_ms(_: int) -> None:
        looks.append(link.up)
        link.up = len(looks) == 3

    monkeypatch.setattr(asyncio, "sleep_ms", sleep_ms, raising=False)
    asyncio.run(link.ready())
    assert looks == [False] * 3


def test_no_secret_is_said(lives: Lives, said: list[str]) -> None:
    for reason in (201, 202, 15, CONNECTING, -1, GOT_IP):
        _, link = lives(lambda _, reason=reason: reason, 60_000)
        assert SECRET.decode() not in link.cause + "".join(said)
