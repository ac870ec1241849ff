"""The picture of the fleet, and what it is drawn from, which has to be worth a picture."""

from pathlib import Path

import pytest

from tests.benchmarks import fleet, fleet_plot


@pytest.fixture(scope="module")
def told() -> fleet.Run:
    return fleet_plot.load(fleet.DIRECTORY / "fleet.json")


def test_the_picture_shows_the_data_beside_it(told: fleet.Run, tmp_path: Path) -> None:
    fleet_plot.draw(told, tmp_path / "fleet.svg")
    assert (tmp_path / "fleet.svg").read_text() == (fleet.DIRECTORY / "fleet.svg").read_text()


def test_the_record_is_of_the_whole_story_and_nothing_was_lost(told: fleet.Run) -> None:
    assert told.story == fleet.FULL
    assert told.report.gateways == fleet.FULL.gateways
    assert told.report.is_whole
    assert told.report.missing == 0


def test_the_outages_were_felt(told: fleet.Run) -> None:
    for outage in told.story.outages:
        during = [s for s in told.samples if outage.from_s < s.at_s < outage.to_s]
        assert min(sample.connected for sample in during) < told.story.gateways
    assert told.report.reconnects >= told.story.gateways
    assert told.report.late > 0
