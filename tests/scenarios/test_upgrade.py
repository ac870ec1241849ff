"""An agent on the store that an earlier version of it left."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.scenarios.agents import kept_rows
from tests.scenarios.stage import Setting, Stage

Play = Callable[..., None]

VERSION_1: Final = Path(__file__).parents[1] / "backlog" / "version_1.sql"
OLD: Final = "0B70MYYBKKW6405RAT0NZWSQBJ"  # the stream that it had been at
DELIVERED_BEFORE: Final = range(10)
KEPT: Final = range(10, 47)


def results_in(store: Path) -> dict[int, Any]:
    """Return what each observation in a store says, by its number."""
    return {
        row.first_seq + place: json.loads(f"{{{entry.tail[1:]}", parse_float=Decimal)["results"]
        for row in kept_rows(store)
        for place, entry in enumerate(row.entries)
    }


def test_what_version_1_had_kept_is_delivered_and_how_its_run_ended_is_declared(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        with closing(sqlite3.connect(stage.store / "backlog.db", isolation_level=None)) as store:
            store.executescript(VERSION_1.read_text())
        expected = results_in(stage.store)
        assert list(expected) == list(KEPT)
        stage.read().numbers[OLD].update(DELIVERED_BEFORE)
        await stage.start_agent()
        async with stage.sending():
            await stage.until(lambda: set(KEPT) <= stage.read().numbers[OLD])
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()
        judge = stage.read()
        arrived = {
            one["seq"]: one for a in judge.arrivals if a.stream == OLD for one in a.observations
        }
        assert {seq: one["results"] for seq, one in arrived.items()} == expected
        assert {one["timeQuality"] for one in arrived.values()} == {"exact"}
        birth = judge.statuses[0]
        assert (birth["session"], birth["counters"]["recovered"]) == (1000, len(KEPT))
        previous = {one["stream"]: (one["end"], one["nextSeq"]) for one in birth["previous"]}
        assert previous[OLD] == ("unclean", KEPT.stop)
        assert "unclean=True" in stage.agent.log
        assert "damaged" not in stage.agent.log

    play(scenario, Setting(plain=0, encrypted=0, ruuvi=0, lora=4, every_s=0.2))
