"""Who is called flat, and who is not: the verdict of `make soak-agent`, on samples made up."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.soak.flatness import Sample, growth, judged

ROUND_S = 25.0
ROUNDS = 72  # half an hour
SITE = "gateway/uplink/mqtt.py:300"


def sample(number: int, **changes: Any) -> Sample:  # noqa: ANN401 - Sample's own
    """Return what an agent holds at the end of a round in which nothing changed."""
    given = Sample(
        at_s=number * ROUND_S,
        lines={SITE: 2_000_000},
        libraries={"paho/client.py:1": 20_000_000},
        descriptors={"socket:[N]": 7, "backlog.db": 1},
        threads=3,
        pss=130_000_000,
        store=4_000_000,
        log=1_000_000,
    )
    return given._replace(**changes)


def complaints(samples: list[Sample]) -> Mapping[str, str]:
    """Return what is wrong, by name."""
    return {row.name: row.why for row in judged(samples) if row.why}


def test_what_stays_the_same_is_flat_and_so_is_what_trembles() -> None:
    trembling = [
        sample(n, lines={SITE: 2_000_000 + 9_000 * (n % 2)}, pss=130_000_000 + 700_000 * (n % 3))
        for n in range(ROUNDS)
    ]
    assert complaints(trembling) == {}


def test_growth_while_it_warms_up_is_none() -> None:
    warming = [sample(n, lines={SITE: min(n, 20) * 100_000}) for n in range(ROUNDS)]
    assert complaints(warming) == {}


@pytest.mark.parametrize("rounds", [10, ROUNDS])
def test_a_few_kilobytes_a_round_are_seen_and_their_line_is_named(rounds: int) -> None:
    leaking = [sample(n, lines={SITE: 2_000_000 + n * 6_000}) for n in range(rounds)]
    assert complaints(leaking) == {"the agent's own objects": "it grows"}
    assert SITE in growth(leaking)[0]


def test_one_odd_sample_moves_no_verdict() -> None:
    odd = [sample(n) for n in range(ROUNDS)]
    odd[-1] = sample(ROUNDS - 1, lines={SITE: 9_000_000})
    assert complaints(odd) == {}


def test_one_descriptor_more_is_seen_and_its_kind_is_named() -> None:
    leaking = [sample(n) for n in range(ROUNDS)]
    leaking[-1] = sample(ROUNDS - 1, descriptors={"socket:[N]": 8, "backlog.db": 1})
    assert complaints(leaking)["open descriptors"].startswith("socket:[N]: [7, 7")


def test_a_thread_more_and_a_log_that_is_never_emptied_are_seen() -> None:
    grown = [sample(n, threads=3 + n // 60, log=n * 100_000) for n in range(ROUNDS)]
    assert set(complaints(grown)) == {"threads", "its write-ahead log"}


def test_of_too_few_samples_nothing_is_said() -> None:
    with pytest.raises(ValueError, match="let it run longer"):
        judged([sample(n) for n in range(3)])
