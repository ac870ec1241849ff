"""Bundles: what joins, when one is sealed, and what is said of the time at each send."""

import json
from typing import Any

import pytest

from gateway.bundle import HEADROOM_BYTES, Identity, Packer, Renderer, pack
from gateway.clock import ClockState, SystemClock
from gateway.model import Bundle
from tests.fakes import FakeClock, observe, streams
from tests.hosts import FakeHost

ANOTHER_BOOT = "b0075eed-0000-4000-8000-000000000002"


def sealed(clock: FakeClock, count: int = 1) -> Bundle:
    """Pack observations heard now and seal them."""
    packer = Packer("routine", clock)
    stream = streams()[0]
    for _ in range(count):
        observation = observe(stream, clock)
        packer.add(observation, pack(observation))
    return packer.seal()


def rendered(bundle: Bundle, clock: FakeClock) -> Any:  # noqa: ANN401 - JSON
    """Render a bundle and read it back."""
    return json.loads(Renderer(Identity("kiel", "gw-1"), clock).render(bundle))


def test_a_bundle_renders_as_the_schema_says() -> None:
    clock = FakeClock()
    clock.max_error_ms = 18
    assert rendered(sealed(clock, 2), clock) == {
        "schema": "ugw.observations/1",
        "org": "kiel",
        "gateway": "gw-1",
        "stream": "STREAMROUTINE",
        "class": "routine",
        "clock": {"state": "synced", "maxErrorMs": 18},
        "observations": [
            {
                "seq": seq,
                "device": "urn:dev:mac:a4c138fffe1b2c3d",
                "phenomenonTime": "2026-11-22T00:16:40.000Z",
                "timeQuality": "exact",
                "results": [
                    {"observedProperty": "air_temperature", "result": 21.34, "unit": "Cel"}
                ],
                "link": {"medium": "ble", "rssi": -71},
            }
            for seq in (0, 1)
        ],
    }


def test_its_size_is_an_upper_bound_of_what_is_rendered() -> None:
    clock = FakeClock(ClockState.UNSYNCED)
    bundle = sealed(clock, 50)
    payload = Renderer(Identity("kiel", "gw-1"), clock).render(bundle)
    assert len(payload) <= bundle.size
    assert bundle.size - len(payload) < HEADROOM_BYTES + 50 * 64


def test_a_resend_says_the_same_time_whatever_the_clock_did_meanwhile() -> None:
    clock = FakeClock()
    bundle = sealed(clock)
    first = rendered(bundle, clock)
    clock.pass_s(3600)
    clock.epoch_ns += 86_400_000_000_000
    again = rendered(bundle, clock)
    assert again["observations"] == first["observations"]


def test_without_a_clock_order_and_spacing_survive() -> None:
    clock = FakeClock(ClockState.UNSYNCED)
    (observation,) = rendered(sealed(clock), clock)["observations"]
    assert observation["timeQuality"] == "unknown"
    assert (observation["boot"], observation["uptimeMs"]) == (clock.boot_id, 1_000_000)
    assert "phenomenonTime" not in observation


def test_what_was_heard_before_the_clock_was_set_is_reconstructed_in_the_same_boot() -> None:
    clock = FakeClock(ClockState.UNSYNCED)
    bundle = sealed(clock)
    clock.pass_s(60)
    clock.state = ClockState.SYNCED
    (observation,) = rendered(bundle, clock)["observations"]
    assert observation["timeQuality"] == "reconstructed"
    assert observation["phenomenonTime"] == "2026-11-22T00:16:40.000Z"


def test_another_boot_that_never_knew_the_time_stays_unknown() -> None:
    clock = FakeClock(ClockState.UNSYNCED)
    bundle = sealed(clock)
    heard_in = clock.boot_id
    clock.boot_id = ANOTHER_BOOT
    clock.state = ClockState.SYNCED
    (observation,) = rendered(bundle, clock)["observations"]
    assert (observation["timeQuality"], observation["boot"]) == ("unknown", heard_in)


def test_holdover_is_said() -> None:
    clock = FakeClock(ClockState.HOLDOVER)
    message = rendered(sealed(clock), clock)
    assert message["clock"] == {"state": "holdover"}
    assert message["observations"][0]["timeQuality"] == "holdover"


@pytest.mark.parametrize("after", [ClockState.SYNCED, ClockState.HOLDOVER])
def test_observations_of_two_clock_states_never_share_a_bundle(after: ClockState) -> None:
    clock = FakeClock(ClockState.UNSYNCED)
    packer = Packer("routine", clock)
    observation = observe(streams()[0], clock)
    packer.add(observation, pack(observation))
    assert packer.fits(pack(observation), 16_384)
    clock.state = after
    assert not packer.fits(pack(observation), 16_384)


def test_a_bundle_sealed_after_the_clock_was_set_does_not_claim_exact_times() -> None:
    clock = FakeClock(ClockState.UNSYNCED)
    packer = Packer("routine", clock)
    observation = observe(streams()[0], clock)
    packer.add(observation, pack(observation))
    clock.state = ClockState.SYNCED
    bundle = packer.seal()
    assert (bundle.wall_offset_ns, bundle.quality) == (None, "")


def test_what_waited_until_the_clock_was_set_does_not_claim_that_it_was_set_when_heard() -> None:
    host = FakeHost()
    clock = SystemClock(host=host)
    clock.reading()
    heard = FakeClock()
    heard.now_ns = host.now_ns
    waited = observe(streams()[0], heard)
    host.pass_s(5)
    host.set_right()
    packer = Packer("routine", clock)
    packer.add(waited, pack(waited))
    heard.now_ns = host.now_ns
    assert not packer.fits(pack(observe(streams()[0], heard)), 16_384)
    message = json.loads(Renderer(Identity("kiel", "gw-1"), clock).render(packer.seal()))
    assert message["clock"] == {"state": "synced"}
    assert message["observations"][0]["timeQuality"] == "reconstructed"


@pytest.mark.parametrize("step_ns", [3_600_000_000_000, -3_600_000_000_000, 20_000_000])
def test_what_was_heard_before_and_after_a_step_never_shares_a_bundle(step_ns: int) -> None:
    clock = FakeClock()
    packer = Packer("routine", clock)
    observation = observe(streams()[0], clock)
    packer.add(observation, pack(observation))
    before_ns = clock.epoch_ns
    clock.epoch_ns += step_ns
    assert not packer.fits(pack(observation), 16_384)
    assert packer.seal().wall_offset_ns == before_ns


def test_in_holdover_what_was_heard_before_the_clock_was_ever_set_is_reconstructed_too() -> None:
    clock = FakeClock(ClockState.UNSYNCED)
    bundle = sealed(clock)
    clock.state = ClockState.HOLDOVER
    (observation,) = rendered(bundle, clock)["observations"]
    assert observation["timeQuality"] == "reconstructed"
    assert observation["phenomenonTime"] == "2026-11-22T00:16:40.000Z"
