"""The list of devices: what is known of each, and what a reload may change of it and what not."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Device, Limits
from gateway.crypto import CcmKey
from gateway.model import Observation, Recovery
from tests.fakes import NS
from tests.pipeline.bench import KEY, NODE, PLAIN, REGISTRY, SEALED, Bench, sealed

STRANGER = "DE:AD:BE:EF:00:01"


def service_data(payload: str) -> tuple[tuple[int, int, bytes], ...]:
    """Return the structures of a BTHome advertisement."""
    return ((0x16, 0xFCD2, bytes.fromhex(payload)),)


# ------------------------------------------------------------------------------------ what is told
def test_when_a_device_was_heard_last_is_known_of_every_frame_of_it() -> None:
    bench = Bench(Limits(burst=1, per_second=0))
    heard: list[int | None] = [bench.pipeline.last_heard(PLAIN)]
    for payload in ("4002ca", "4002ca", "4002cb09"):  # refused, repeated, limited
        bench.clock.pass_s(1)
        bench.advertise(payload)
        heard.append(bench.pipeline.last_heard(PLAIN))
    bench.hear(STRANGER, service_data("4002ca09"))
    assert heard == [None, 1_001 * NS, 1_002 * NS, 1_003 * NS]
    assert bench.pipeline.last_heard(STRANGER) is None


def test_the_list_shows_what_each_device_said_last() -> None:
    bench = Bench()
    bench.advertise("4002ca09")
    bench.clock.pass_s(1)
    bench.advertise("4002cb09")
    bench.clock.pass_s(1)
    assert bench.pipeline.admits(PLAIN, service_data("4002cb09"), -90) is None  # a repeat
    plain, unheard, node = bench.pipeline.listed()
    assert (plain.address, plain.urn, plain.klass) == (PLAIN, bench.plain.urn, "routine")
    assert (plain.model, plain.observations) == ("bthome-v2", 2)
    assert (plain.heard_at_ns, plain.rssi_dbm) == (1_002 * NS, -90)
    assert plain.last == bench.shelf.taken[-1]
    assert (unheard.model, unheard.heard_at_ns, unheard.last) == ("", None, None)
    assert (node.address, node.model) == (NODE, "cayenne-lpp")


def test_who_hangs_in_sees_every_observation_after_it_was_handed_over() -> None:
    bench = Bench()
    seen: list[Observation] = []

    def see(observation: Observation) -> None:
        assert bench.shelf.taken[-1] == observation
        seen.append(observation)

    bench.pipeline.on_observation = see
    bench.advertise("4002ca09")
    bench.advertise("4002ca09")
    bench.receive(b"03670110")
    bench.work()
    assert seen == bench.shelf.taken
    assert len(seen) == 2


# ---------------------------------------------------------------------------------------- reloaded
def test_a_device_that_did_not_change_notices_nothing_of_a_reload() -> None:
    bench = Bench(Limits(burst=2, per_second=0))
    bench.advertise("4002ca09")
    bench.hear(SEALED, ((0x16, 0xFCD2, sealed(1000)),))
    before = list(bench.pipeline.listed())
    bench.pipeline.relist([msgspec.structs.replace(bench.sealed, key=CcmKey(KEY)), bench.plain])
    assert [one for one in bench.pipeline.listed() if one.address == PLAIN] == before[:1]
    bench.advertise("4002ca09")  # still a repeat
    bench.advertise("4002cb09")
    bench.advertise("4002cc09")  # still its third
    assert [taken.link.copies for taken in bench.shelf.taken if taken.device == before[0].urn] == [
        1,
        2,
    ]
    assert (bench.health.frames.duplicate, bench.health.frames.limited) == (1, 1)
    assert bench.pipeline.counters() == {SEALED: 1000}  # what waited was not lost


def test_a_removed_device_is_a_stranger_at_once_and_what_waits_of_it_too() -> None:
    bench = Bench()
    bench.hear(PLAIN, service_data("4002ca09"))
    bench.receive(b"03670110")
    bench.receive(b"03670111")
    bench.hear(SEALED, ((0x16, 0xFCD2, sealed(1)),))
    bench.pipeline.relist([bench.sealed])
    assert bench.health.frames_law() == 0
    assert (bench.health.frames.unlisted, bench.pipeline.waiting()) == (3, 1)
    assert not bench.pipeline.lists(PLAIN)
    bench.advertise("4002cb09")
    assert [taken.device for taken in bench.shelf.taken] == [bench.sealed.urn]
    assert bench.health.frames.unlisted == 4
    assert PLAIN not in repr([vars(bench.pipeline), *bench.pipeline.listed()])


def test_a_reload_changes_how_what_waits_is_read() -> None:
    bench = Bench()
    bench.hear(PLAIN, service_data("4002ca09"))
    bench.pipeline.relist([msgspec.structs.replace(bench.plain, urn="ugw:kiel:other")])
    bench.work()
    assert [taken.device for taken in bench.shelf.taken] == ["ugw:kiel:other"]


def test_a_changed_device_keeps_its_replay_counter_and_what_it_said_is_new() -> None:
    bench = Bench()
    bench.advertise(sealed(1000), SEALED)
    bench.advertise(sealed(1000), SEALED)
    changed = msgspec.structs.replace(bench.sealed, name="Lessingplatz", klass="event")
    bench.pipeline.relist([changed])
    assert bench.pipeline.counters() == {SEALED: 1000}
    bench.clock.pass_s(1)
    bench.advertise(sealed(999), SEALED)
    assert bench.health.frames.refused == {"replayed": 1}
    bench.advertise(sealed(1001), SEALED)
    assert [(t.klass, t.link.copies) for t in bench.shelf.taken] == [("routine", 1), ("event", 1)]
    (listing,) = bench.pipeline.listed()
    assert (listing.name, listing.observations) == ("Lessingplatz", 2)


def test_another_key_begins_another_count() -> None:
    bench = Bench()
    bench.advertise(sealed(1000), SEALED)
    bench.pipeline.relist([msgspec.structs.replace(bench.sealed, key=CcmKey(bytes(16)))])
    assert bench.pipeline.counters() == {}
    bench.pipeline.relist([bench.sealed])
    bench.advertise(sealed(500), SEALED)
    assert bench.health.frames.refused == {"replayed": 1}, "the first key has its own again"


def test_a_device_taken_off_the_list_by_mistake_comes_back_with_its_counter() -> None:
    bench = Bench()
    bench.advertise(sealed(1000), SEALED)
    bench.pipeline.relist([bench.plain])
    assert bench.pipeline.counters() == {SEALED: 1000}
    bench.pipeline.relist([bench.plain, bench.sealed])
    bench.advertise(sealed(999), SEALED)
    bench.advertise(sealed(1001), SEALED)
    assert bench.health.frames.refused == {"replayed": 1}
    assert bench.shelf.taken[-1].results[0][5] == ()  # this run's counter: no flag


@pytest.mark.parametrize(("unclean", "flags"), [(True, ("replay_possible",)), (False, ())])
def test_a_new_device_starts_from_the_counter_the_store_has(
    unclean: bool,  # noqa: FBT001 - a parameter of the table
    flags: tuple[str, ...],
) -> None:
    bench = Bench()
    bench.pipeline.relist([bench.plain])
    bench.pipeline.restore(Recovery(counters={SEALED: 1000}, unclean=unclean))
    assert bench.pipeline.counters() == {}, "of a device that is not listed nothing is kept"
    bench.pipeline.relist([bench.plain, bench.sealed])
    assert bench.pipeline.counters() == {SEALED: 1000}
    bench.advertise(sealed(1000), SEALED)
    bench.advertise(sealed(1001), SEALED)
    assert bench.health.frames.duplicate == 1
    assert [taken.results[0][5] for taken in bench.shelf.taken] == [flags]


def test_a_changed_device_gets_no_second_burst() -> None:
    bench = Bench(Limits(burst=3, per_second=0))
    for value in ("ca", "cb", "cc"):
        bench.advertise(f"4002{value}09")
    bench.pipeline.relist([msgspec.structs.replace(bench.plain, name="again")])
    bench.advertise("4002cd09")
    assert bench.health.frames.limited == 1


DEVICES = [
    Device(address=PLAIN, urn="ugw:kiel:a", limits=Limits(burst=4)),
    Device(address=PLAIN, urn="ugw:kiel:b", klass="event", limits=Limits(burst=4)),
    Device(address=SEALED, urn="ugw:kiel:s", key=CcmKey(KEY), limits=Limits(burst=4)),
    Device(address=SEALED, urn="ugw:kiel:s", key=CcmKey(bytes(16)), limits=Limits(burst=4)),
    Device(address=NODE, urn="ugw:kiel:n", driver=REGISTRY.by_model("cayenne-lpp")),
]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ble"), st.sampled_from([PLAIN, SEALED]), st.integers(0, 200)),
            st.tuples(st.just("lora"), st.just(NODE), st.integers(0, 3)),
            st.tuples(st.just("work"), st.just(""), st.integers(0, 3)),
            st.tuples(st.just("list"), st.just(""), st.integers(0, 2 ** len(DEVICES) - 1)),
        ),
        max_size=40,
    )
)
def test_however_often_the_list_changes_each_frame_ends_in_one_counter(
    acts: list[tuple[str, str, int]],
) -> None:
    bench = Bench(Limits(burst=4))
    frames = 0
    for act, address, number in acts:
        bench.clock.now_ns += NS // 4
        frames += act in {"ble", "lora"}
        if act == "ble":
            data = sealed(number) if address == SEALED else b"\x40\x02" + bytes([number, 0])
            bench.hear(address, ((0x16, 0xFCD2, data),))
        elif act == "lora":
            bench.receive(b"0367%04x" % number)
        elif act == "work":
            bench.pipeline.work(number)
        else:
            bench.pipeline.relist([d for bit, d in enumerate(DEVICES) if number >> bit & 1])
        assert bench.health.frames_law() == 0
    bench.work()
    assert bench.health.frames.heard == frames
    assert bench.health.frames.decoded == len(bench.shelf.taken)
