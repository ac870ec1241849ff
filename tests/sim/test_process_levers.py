"""A disk and clocks that do what they are told, at both ends of the file that tells them."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import assembly
from gateway.bundle import HEADROOM_BYTES, pack, weight
from gateway.clock import ClockState, SystemClock
from gateway.config import StoreSettings
from gateway.errors import BacklogError, BacklogFullError, SimulatorError
from gateway.model import Bundle, Link, Observation, Stream
from gateway.sim.process import launcher
from gateway.sim.process.clock import LeverClock, LeverHost
from gateway.sim.process.disk import LeverDisk, LeverStore
from gateway.sim.process.levers import Levers, Look
from gateway.sim.troubles import DiskTrouble
from tests.brokers import strict_run

HOUR_S = 3600
NS = 1_000_000_000
HANG_S = 30.0


@pytest.fixture
def levers(tmp_path: Path) -> Iterator[Levers]:
    made = Levers(tmp_path / "levers")
    yield made
    made.close()


# --------------------------------------------------------------------------------------- the file
def put(path: Path, content: bytes) -> None:
    """Write into a file that is mapped."""
    with path.open("r+b") as file:
        file.write(content)


def test_a_reader_waits_for_a_writer_that_has_begun(levers: Levers) -> None:
    look, before = Look(levers.path), levers.path.read_bytes()
    levers.pull(shift_ns=7, slow_ns=7)
    after = levers.path.read_bytes()
    put(levers.path, b"\1" + after[1:40] + before[40:])  # an odd count, half the record
    finish = threading.Timer(0.05, put, [levers.path, after])
    finish.start()
    told = look()
    assert (told.shift_ns, told.slow_ns) == (7, 7)
    finish.join()


def test_a_file_that_is_half_written_for_ever_is_refused(levers: Levers) -> None:
    look = Look(levers.path)
    put(levers.path, b"\1")  # the count of a writer that was killed
    with pytest.raises(SimulatorError, match="being written"):
        look()


@pytest.mark.parametrize("content", [b"", b"short", bytes(4096)])
def test_a_file_that_is_not_a_benchs_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "levers"
    path.write_bytes(content)
    with pytest.raises(SimulatorError, match="cannot be read"):
        Look(path)


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "usage"), (["file", "run"], "usage"), (["/none", "--", "run"], "No such file")],
)
def test_the_launcher_says_how_it_is_used_and_what_file_it_lacks(
    words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        launcher.main(words)


# -------------------------------------------------------------------------------------- the clocks
def ahead_s(host: LeverHost) -> float:
    return host.wall_ns() / NS - time.time()


def test_the_wall_clock_steps_shows_drifts_and_heals(levers: Levers) -> None:
    clock, host = LeverClock(lambda: levers, lambda: levers), LeverHost(Look(levers.path))
    assert ahead_s(host) == pytest.approx(0, abs=1)
    clock.step(HOUR_S)
    clock.step(-2 * HOUR_S)
    assert ahead_s(host) == pytest.approx(-HOUR_S, abs=1)
    clock.show(0)
    assert host.wall_ns() / NS == pytest.approx(0, abs=1)
    clock.heal()
    assert ahead_s(host) == pytest.approx(0, abs=1)


def test_a_clock_that_drifts_keeps_what_it_has_gained_when_it_is_right_again(
    levers: Levers,
) -> None:
    clock, host = LeverClock(lambda: levers, lambda: levers), LeverHost(Look(levers.path))
    levers.pull(drift_since_ns=host.boot_ns() - 1000 * NS, drift_ppb=100_000_000)
    assert ahead_s(host) == pytest.approx(100, abs=1)  # a tenth of 1000 s
    clock.drift(0)
    assert levers.told.drift_ppb == 0
    assert ahead_s(host) == pytest.approx(100, abs=1)
    clock.drift(200)
    assert levers.told.drift_ppb == 200_000


def test_an_agent_believes_the_clock_only_while_the_kernel_is_told_to_vouch_for_it(
    levers: Levers,
) -> None:
    faces = LeverClock(lambda: levers, lambda: levers)
    faces.synced(is_synced=False)
    host = LeverHost(Look(levers.path))
    assert SystemClock(host=host).reading().state is ClockState.UNSYNCED
    faces.synced(is_synced=True)
    assert SystemClock(host=host).reading().state is ClockState.SYNCED


def test_another_boot_has_another_name_and_has_just_begun(levers: Levers) -> None:
    look = Look(levers.path)
    before = LeverHost(look)
    levers.boot_anew()
    after = LeverHost(look)
    assert before.boot_id != after.boot_id == str(uuid.UUID(after.boot_id))
    assert before.boot_ns() > after.boot_ns() >= 20 * NS
    assert after.boot_ns() < 20 * NS + HANG_S * NS


# ---------------------------------------------------------------------------------------- the disk
def bundle(stream: Stream, text: str = "x") -> Bundle:
    observation = Observation(
        klass=stream.klass,
        stream=stream.id,
        seq=stream.take(),
        device="urn:dev:mac:a4c138fffe000001",
        heard_at_ns=1,
        results=(("text", text, 0, "", "", ()),),
        link=Link(medium="ble", rssi_dbm=-70),
    )
    entries = (pack(observation),)
    return Bundle(
        stream=stream.id,
        klass=stream.klass,
        first_seq=observation.seq,
        boot="b0075eed-0000-4000-8000-00000000000f",
        wall_offset_ns=0,
        quality="exact",
        entries=entries,
        size=HEADROOM_BYTES + sum(map(weight, entries)),
    )


class Stored:
    """A store on such a disk, open."""

    def __init__(self, levers: Levers, directory: Path) -> None:
        self.disk = LeverDisk(lambda: levers, lambda: True, directory)
        settings = StoreSettings(path=directory)
        self.backlog = LeverStore(Look(levers.path))(settings)
        self.streams = assembly.mint_streams()

    async def append(self, text: str = "x", *, times: int = 1) -> None:
        for _ in range(times):
            rows = await self.backlog.append([bundle(self.streams[0], text)], {})
            self.backlog.release(rows)


@pytest.fixture
def stored(levers: Levers, tmp_path: Path) -> Stored:
    return Stored(levers, tmp_path / "store")


@pytest.mark.parametrize(
    ("kind", "said"),
    [("eio", "disk I/O error"), ("fsync_eio", "disk I/O error"), ("readonly", "readonly")],
)
def test_a_write_fails_as_told_until_the_disk_is_healed_and_nothing_of_it_is_kept(
    stored: Stored, kind: DiskTrouble, said: str
) -> None:
    async def main() -> None:
        await stored.backlog.open(stored.streams)
        await stored.append()
        stored.disk.trouble(kind)
        for _ in range(2):
            with pytest.raises(BacklogError, match=f"{said}.*injected by the simulator"):
                await stored.append()
        stored.disk.heal()
        await stored.append()
        assert stored.backlog.bundles == 2
        await stored.backlog.close(stored.streams, {})

    strict_run(main())


def test_a_full_disk_takes_what_fits_into_the_file_and_no_more(stored: Stored) -> None:
    async def main() -> None:
        await stored.backlog.open(stored.streams)
        await stored.append()
        stored.disk.trouble("full")
        with pytest.raises(BacklogFullError, match="bytes free"):
            await stored.append("y" * 3000, times=1000)
        kept = await stored.backlog.lease(1000)
        await stored.backlog.settle([one.row for one in kept])  # a delete finds room
        stored.disk.heal()
        await stored.append("y" * 3000, times=50)
        assert stored.backlog.bundles == 50
        await stored.backlog.close(stored.streams, {})

    strict_run(main())


def test_a_hanging_disk_holds_up_a_write_until_it_is_healed(stored: Stored) -> None:
    async def main() -> None:
        await stored.backlog.open(stored.streams)
        stored.disk.trouble("hang")
        writing = asyncio.create_task(stored.append())
        done, _ = await asyncio.wait([writing], timeout=0.05)
        assert not done
        stored.disk.heal()
        await writing
        assert stored.backlog.bundles == 1
        await stored.backlog.close(stored.streams, {})

    strict_run(main())


def test_a_slow_disk_takes_as_long_as_it_is_told(stored: Stored) -> None:
    async def main() -> float:
        await stored.backlog.open(stored.streams)
        stored.disk.trouble("slow", seconds=0.1)
        began_s = time.monotonic()
        await stored.append()
        took_s = time.monotonic() - began_s
        stored.disk.heal()
        await stored.backlog.close(stored.streams, {})
        return took_s

    assert asyncio.run(main()) >= 0.1


def test_one_row_is_damaged_under_a_store_in_use_and_the_others_are_read(stored: Stored) -> None:
    async def main() -> None:
        await stored.backlog.open(stored.streams)
        await stored.append(times=9)
        stored.disk.damage()
        await stored.append()
        assert len(await stored.backlog.lease(100)) == 9
        assert len(stored.backlog.damaged()) == 1
        await stored.backlog.close(stored.streams, {})

    strict_run(main())


def test_one_row_is_damaged_in_a_store_at_rest_and_a_start_finds_the_others(
    levers: Levers, tmp_path: Path
) -> None:
    store = tmp_path / "store"

    async def main() -> None:
        before = Stored(levers, store)
        await before.backlog.open(before.streams)
        await before.append(times=9)
        await before.backlog.close(before.streams, {})
        LeverDisk(lambda: levers, lambda: False, store).damage()
        after = Stored(levers, store)
        await after.backlog.open(after.streams)
        assert len(await after.backlog.lease(100)) == 8
        assert len(after.backlog.damaged()) == 1
        await after.backlog.close(after.streams, {})

    strict_run(main())


def test_a_store_without_a_row_cannot_be_damaged(levers: Levers, tmp_path: Path) -> None:
    disk = LeverDisk(lambda: levers, lambda: False, tmp_path / "store")
    with pytest.raises(SimulatorError, match="no row"):
        disk.damage()
