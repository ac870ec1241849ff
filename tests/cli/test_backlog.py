"""`ugw backlog` reads the store as it is, and gives nothing up without a word."""

import asyncio
import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.backlog.sqlite import SqliteBacklog
from gateway.bundle import Packer, pack
from gateway.exit_codes import ExitCode
from gateway.model import Aside, Bundle, Moment
from tests.cli.conftest import Command
from tests.fakes import FakeClock, observe, streams

CONFIG = """\
config_version: 1
gateway: {{org: kiel, id: gw-1}}
mqtt: {{host: localhost}}
store: {{path: {store}}}
http: {{enabled: false}}
"""
WAITING = 30  # observations, in three bundles of each class


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def config(tmp_path: Path, store: Path) -> str:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG.format(store=store))
    return str(path)


def bundles(count: int) -> list[Bundle]:
    """Return so many bundles of each class, of five observations each."""
    clock = FakeClock()
    made: list[Bundle] = []
    for stream in streams():
        packer = Packer(stream.klass, clock)
        for number in range(count):
            for _ in range(5):
                observation = observe(stream, clock, value=2000 + number)
                packer.add(observation, pack(observation))
            made.append(packer.seal())
    return made


@pytest.fixture
def kept(store: Path) -> None:
    """Leave a store behind with bundles that wait, and one that was set aside."""

    async def leave() -> None:
        backlog = SqliteBacklog(store)
        mine = streams()
        await backlog.open(mine)
        rows = await backlog.append(bundles(3), {})
        clock = FakeClock()
        at = Moment(clock.boot_id, clock.boot_ns(), clock.epoch_ns)
        refused = Bundle(
            "OTHER", "routine", 0, clock.boot_id, None, "", bundles(1)[0].entries, 900
        )
        (row,) = await backlog.append([refused], {})
        await backlog.set_aside([Aside(refused, "payload invalid", row)], at)
        backlog.release(rows)
        await backlog.close(mine, {})

    asyncio.run(leave())


@pytest.mark.usefixtures("kept")
def test_figures_are_those_of_the_store(ugw: Command, config: str) -> None:
    done = ugw("backlog", "stats", "--json", "-c", config)

    figures = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert (figures["bundles"], figures["observations"]) == (6, WAITING)
    assert figures["classes"]["event"] == {"bundles": 3, "observations": 15}
    assert figures["setAside"]["bundles"] == 1
    people = ugw("backlog", "stats", "-c", config).stdout
    assert "waiting    30 observations in 6 bundles" in people


@pytest.mark.usefixtures("kept")
def test_peeking_shows_what_would_be_sent_next(ugw: Command, config: str) -> None:
    done = ugw("backlog", "peek", "--limit", "1", "-c", config)
    assert done.returncode == ExitCode.OK
    assert len(done.stdout.splitlines()) == 1 + 5
    assert "air temperature: 20 °C" in done.stdout
    newest = ugw("backlog", "peek", "-n", "1", "--newest", "--json", "-c", config)
    (message,) = json.loads(newest.stdout)
    assert (message["schema"], message["class"]) == ("ugw.observations/1", "event")
    assert message["observations"][0]["seq"] == 10


@pytest.mark.usefixtures("kept")
def test_an_export_is_every_message_and_leaves_the_store_alone(
    ugw: Command, config: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept.ndjson"
    done = ugw("backlog", "export", str(file), "-c", config)

    messages = [json.loads(line) for line in file.read_text().splitlines()]
    assert (done.returncode, done.stdout) == (ExitCode.OK, "")
    assert "7 bundles with 35 observations" in done.stderr
    assert sum(len(message["observations"]) for message in messages) == WAITING + 5
    assert {message["gateway"] for message in messages} == {"gw-1"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ugw("backlog", "export", "-c", config).stdout == file.read_text()
    again = ugw("backlog", "export", str(file), "-c", config)
    assert again.returncode == ExitCode.FAILED
    assert "is there already" in again.stderr
    assert ugw("backlog", "export", str(file), "--force", "-c", config).returncode == 0


@pytest.mark.usefixtures("kept")
def test_an_export_that_finds_no_room_says_so(ugw: Command, config: str) -> None:
    done = ugw("backlog", "export", "/dev/full", "--force", "-c", config)
    assert done.returncode == ExitCode.FAILED
    assert "/dev/full cannot be written: No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("kept")
def test_whoever_stops_reading_an_export_gets_no_traceback(config: str) -> None:
    program = f"{sys.executable} -m gateway backlog export -c {config} | head -c 10 > /dev/null"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------- purge
@pytest.mark.usefixtures("kept")
def test_nothing_is_given_up_unasked(ugw: Command, config: str) -> None:
    done = ugw("backlog", "purge", "-c", config)
    assert done.returncode == ExitCode.FAILED
    assert "say --yes" in done.stderr
    assert json.loads(ugw("backlog", "stats", "--json", "-c", config).stdout)["bundles"] == 6


@pytest.mark.usefixtures("kept")
def test_what_is_given_up_is_declared(ugw: Command, config: str) -> None:
    done = ugw("backlog", "purge", "--class", "routine", "--yes", "-c", config)
    assert done.stdout == "15 observations in 3 bundles given up, and declared\n"
    figures = json.loads(ugw("backlog", "stats", "--json", "-c", config).stdout)
    assert figures["classes"]["routine"]["bundles"] == 0
    assert figures["classes"]["event"]["bundles"] == 3
    (loss,) = figures["losses"]
    assert (loss["from"], loss["to"], loss["reason"]) == (0, 14, "purged")
    assert ugw("backlog", "purge", "--class", "new", "--yes", "-c", config).returncode == 2
    nothing = ugw("backlog", "purge", "--stream", "NONE", "-c", config)
    assert nothing.stdout == "nothing of it waits\n"


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(("answer", "left"), [("n\n", 6), ("\n", 6), ("y\n", 0)])
def test_on_a_terminal_a_person_is_asked(
    ugw: Command, config: str, answer: str, left: int
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "backlog", "purge", "-c", config],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, answer.encode())
    code = process.wait(60)
    os.close(ours)
    assert code == (ExitCode.OK if left == 0 else ExitCode.FAILED)
    figures = json.loads(ugw("backlog", "stats", "--json", "-c", config).stdout)
    assert figures["bundles"] == left


# --------------------------------------------------------------------------------------- set aside
@pytest.mark.usefixtures("kept")
def test_what_was_set_aside_is_listed_shown_and_put_back(ugw: Command, config: str) -> None:
    (aside,) = json.loads(ugw("backlog", "set-aside", "list", "--json", "-c", config).stdout)
    assert (aside["reason"], aside["observations"]) == ("payload invalid", 5)
    assert aside["at"].startswith("2026-11-22T")
    number = str(aside["id"])
    people = ugw("backlog", "set-aside", "list", "-c", config).stdout
    assert people.splitlines()[1].endswith("payload invalid")
    shown = ugw("backlog", "set-aside", "show", number, "-c", config).stdout
    assert "payload invalid" in shown
    assert shown.count("urn:dev:mac:a4c138fffe1b2c3d") == 5
    unknown = ugw("backlog", "set-aside", "show", "99", "-c", config)
    assert (unknown.returncode, unknown.stdout) == (ExitCode.FAILED, "")

    done = ugw("backlog", "set-aside", "requeue", number, "-c", config)
    assert done.stdout == "1 bundles put back into the backlog\n"
    figures = json.loads(ugw("backlog", "stats", "--json", "-c", config).stdout)
    assert (figures["bundles"], figures["setAside"]["bundles"]) == (7, 0)
    assert ugw("backlog", "set-aside", "list", "-c", config).stdout == "nothing was set aside\n"
    again = ugw("backlog", "set-aside", "requeue", number, "-c", config)
    assert again.returncode == ExitCode.FAILED
    assert "1 of these numbers are not there" in again.stderr


@pytest.mark.usefixtures("kept")
def test_what_was_set_aside_is_dropped_with_a_word_and_declared(ugw: Command, config: str) -> None:
    (aside,) = json.loads(ugw("backlog", "set-aside", "list", "--json", "-c", config).stdout)
    number = str(aside["id"])
    assert "say --yes" in ugw("backlog", "set-aside", "drop", number, "-c", config).stderr
    done = ugw("backlog", "set-aside", "drop", number, "--yes", "-c", config)
    assert done.stdout == "1 bundles given up, and declared\n"
    (loss,) = json.loads(ugw("backlog", "stats", "--json", "-c", config).stdout)["losses"]
    assert (loss["stream"], loss["from"], loss["to"]) == ("OTHER", 0, 4)


# -------------------------------------------------------------------------------------- in the way
@pytest.mark.parametrize(
    "words", [["peek"], ["export"], ["purge", "--yes"], ["set-aside", "list"]]
)
@pytest.mark.usefixtures("kept")
def test_beside_an_agent_only_figures_can_be_had(
    ugw: Command, config: str, store: Path, words: list[str]
) -> None:
    async def run() -> tuple[int, str]:
        backlog = SqliteBacklog(store)
        mine = streams()
        await backlog.open(mine)
        done = await asyncio.to_thread(ugw, "backlog", *words, "-c", config)
        await backlog.close(mine, {})
        return done.returncode, done.stderr

    code, said = asyncio.run(run())
    assert code == ExitCode.FAILED
    assert "the agent is running" in said
    assert "systemctl stop ugw" in said


def test_where_there_is_no_store_that_is_said(ugw: Command, config: str) -> None:
    done = ugw("backlog", "stats", "-c", config)
    assert done.returncode == ExitCode.FAILED
    assert "there is no store in" in done.stderr
