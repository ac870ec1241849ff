"""Which remedy is due for an adapter that hears nothing: each in its turn, none too often."""

import re
from itertools import pairwise
from pathlib import Path
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from gateway import assembly, config
from gateway.clock import SystemClock
from gateway.health import Health
from gateway.registry import Registry
from gateway.transport.ble.ladder import RUNGS, Ladder, Recovery, Remedy, Rung
from gateway.transport.ble.remedies import UNIT
from tests.bulletin.board import settings
from tests.fakes import FakeClock
from tests.transport.places import Listed

S = 1_000_000_000
MINUTE, HOUR, DAY = 60, 3600, 86_400


def climbed(ladder: Ladder, until_s: int, *, step_s: int = 10) -> list[tuple[int, Remedy]]:
    """Return what is tried when, where nothing ever helps."""
    tried: list[tuple[int, Remedy]] = []
    for at_s in range(step_s, until_s, step_s):
        remedy = ladder.due(at_s * S)
        if remedy is not None:
            ladder.tried(remedy, at_s * S)
            tried.append((at_s, remedy))
    return tried


def test_the_power_is_cycled_before_the_service_is_restarted_and_each_has_its_patience() -> None:
    tried = climbed(Ladder(RUNGS["service"]), 15 * MINUTE)
    assert tried == [(10 + 120, "power"), (10 + 480, "service")]


def test_no_rung_is_the_last_one_forever() -> None:
    tried = [remedy for _, remedy in climbed(Ladder(RUNGS["service"]), 7 * DAY, step_s=60)]
    assert tried.count("power") >= 20
    assert tried.count("service") >= 7


def test_what_brings_nothing_is_done_ever_more_seldom_up_to_its_slowest_pace() -> None:
    tried = climbed(Ladder(RUNGS["service"]), 10 * DAY, step_s=60)
    for rung in RUNGS["service"]:
        at = [at_s for at_s, remedy in tried if remedy == rung.remedy]
        gaps = [later - before for before, later in pairwise(at)]
        assert gaps[0] >= rung.least_s
        assert gaps == sorted(gaps)
        assert rung.most_s <= gaps[-1] <= rung.most_s + 60


@given(st.lists(st.tuples(st.integers(1, 2 * HOUR), st.booleans()), min_size=10, max_size=60))
def test_however_often_it_seems_mended_nothing_is_done_more_often_than_its_bound(
    course: list[tuple[int, bool]],
) -> None:
    ladder, now_s = Ladder(RUNGS["service"]), 0
    last_s: dict[Remedy, int] = {}
    least_s = {rung.remedy: rung.least_s for rung in RUNGS["service"]}
    for wait_s, is_well in course:
        now_s += wait_s
        if is_well:
            ladder.well()
        remedy = ladder.due(now_s * S)
        if remedy is not None:
            assert now_s - last_s.get(remedy, -DAY) >= least_s[remedy]
            ladder.tried(remedy, now_s * S)
            last_s[remedy] = now_s


def test_after_something_was_heard_patience_begins_anew() -> None:
    ladder = Ladder((Rung("power", 100, 10, 10),))
    assert ladder.due(0) is None
    ladder.well()
    assert ladder.due(200 * S) is None
    assert ladder.due(299 * S) is None
    assert ladder.due(300 * S) == "power"


def test_a_remedy_that_makes_no_sense_now_is_left_out_and_the_next_has_its_turn() -> None:
    ladder = Ladder(RUNGS["service"])
    assert ladder.due(0, but="power") is None
    assert ladder.due(479 * S, but="power") is None
    assert ladder.due(480 * S, but="power") == "service"


def test_who_may_only_scan_anew_climbs_nothing() -> None:
    assert climbed(Ladder(RUNGS["scan"]), DAY) == []
    assert {remedy for _, remedy in climbed(Ladder(RUNGS["power"]), DAY)} == {"power"}


def test_it_is_exhausted_when_every_rung_was_tried_and_not_before() -> None:
    ladder = Ladder(RUNGS["service"])
    seen = [ladder.exhausted]
    for remedy in ("power", "service"):
        ladder.tried(remedy, S)
        seen.append(ladder.exhausted)
    ladder.well()
    assert seen == [False, False, True]
    assert not ladder.exhausted


# ------------------------------------------------------------------------------- what a site says
def test_how_far_a_site_lets_it_go_is_how_far_it_goes() -> None:
    for recovery in get_args(Recovery):
        adapter = config.BleSettings(kind="ble", recovery=recovery)
        site = settings("x").model_copy(update={"transports": [adapter]})
        health = Health(FakeClock())
        (source,) = assembly.sources(site, Registry(), Listed(SystemClock()), health)
        assert isinstance(source.plan, assembly.BlePlan)
        assert source.plan.settings.rungs == RUNGS[recovery]


def test_the_rule_for_polkit_is_for_this_unit_s_user_and_one_verb_of_one_unit() -> None:
    folder = Path(__file__).resolve().parents[2] / "config"
    rule = (folder / "polkit" / "50-ugw.rules").read_text()
    unit = (folder / "ugw.service").read_text()
    (user,) = re.findall(r'subject.user == "(.*?)"', rule)
    assert f"\nUser={user}\n" in unit
    assert re.findall(r'lookup\("(.*?)"\) == "(.*?)"', rule) == [
        ("unit", UNIT),
        ("verb", "restart"),
    ]
    assert rule.count("YES") == rule.count("addRule") == 1
