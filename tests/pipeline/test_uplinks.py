"""LoRaWAN uplinks through the pipeline: whose they are, which are refused, what is remembered."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Device, Limits
from gateway.crypto import AesKey
from gateway.health import Health
from gateway.lorawan import Session, parse
from gateway.model import Frame, Recovery
from gateway.pipeline import Pipeline
from gateway.sim.lorawan_node import LorawanNode
from tests.fakes import FakeClock, streams
from tests.pipeline.bench import REGISTRY, Shelf

EUI = "eui:70b3d57ed0001234"
TWIN = "eui:70b3d57ed0005678"
DEV_ADDR = "26011f22"
KEYS = (bytes(range(16)), bytes(range(16, 32)))
TWIN_KEYS = (bytes(range(32, 48)), bytes(range(48, 64)))
WARM = bytes.fromhex("01670110")  # 27.2 degrees, Cayenne LPP
COLD = bytes.fromhex("0167ff9c")


def device(
    address: str = EUI, keys: tuple[bytes, bytes] | None = KEYS, dev_addr: str = DEV_ADDR
) -> Device:
    session = None
    if keys is not None:
        session = Session(int(dev_addr, 16), AesKey(keys[0]), AesKey(keys[1]))
    return Device(
        address=address,
        urn=f"urn:dev:mac:{address.removeprefix('eui:')}",
        driver=REGISTRY.by_model("cayenne-lpp"),
        session=session,
        limits=Limits(burst=1_000),
    )


class Air:
    """A pipeline whose uplinks come as transports hand them over, the law held after each."""

    def __init__(self, *devices: Device, recovery: Recovery | None = None) -> None:
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.shelf = Shelf()
        self.node = LorawanNode(DEV_ADDR, *KEYS)
        self.pipeline = Pipeline(
            devices or [device()],
            registry=REGISTRY,
            streams={stream.klass: stream for stream in streams()},
            sink=self.shelf,
            health=self.health,
        )
        if recovery is not None:
            self.pipeline.restore(recovery)

    def hear(self, phy: bytes) -> None:
        """Hear a packet as a gateway or a modem does."""
        assert parse(phy) is not None
        self._take(self.pipeline.sender(phy), phy, is_uplink=True, payload=phy)

    def told(self, counter: int, payload: bytes = WARM, port: int = 1) -> None:
        """Be told of an uplink by a network server."""
        self._take(EUI, (counter, port, payload), payload=payload, port=port, counter=counter)

    def _take(self, address: str, content: object, **fields: object) -> None:
        at_ns = self.pipeline.admits(address, content, -99)
        if at_ns is not None:
            known: Mapping[str, object] = {
                "medium": "lora",
                "source": "test",
                "address": address,
                "heard_at_ns": at_ns,
                "content": content,
                "rssi_dbm": -99,
                "spreading_factor": 9,
                "frequency_hz": 868_300_000,
            }
            self.pipeline.hear(Frame(**{**known, **fields}))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        assert self.health.frames_law() == 0
        self.pipeline.work(1)
        assert self.health.frames_law() == 0

    @property
    def ended(self) -> Mapping[str, int]:
        """Where frames ended, as far as any did."""
        frames = self.health.frames
        ends = ("unlisted", "duplicate", "limited", "unknown", "empty", "decoded")
        ended = {name: getattr(frames, name) for name in ends if getattr(frames, name)}
        return {**ended, **frames.refused}

    @property
    def said(self) -> list[object]:
        """The values observed."""
        return [taken.results[0][1] for taken in self.shelf.taken]

    @property
    def counted(self) -> list[int | None]:
        """The frame counters of what was observed."""
        return [taken.link.frame_counter for taken in self.shelf.taken]


def test_an_uplink_becomes_an_observation_of_the_node_with_its_counter_and_radio() -> None:
    air = Air()
    air.hear(air.node.send(WARM, 2))

    (taken,) = air.shelf.taken
    assert taken.device == "urn:dev:mac:70b3d57ed0001234"
    assert taken.results == (("air_temperature", 272, 1, "1", "", ()),)
    link = taken.link
    assert (link.frame_counter, link.spreading_factor, link.frequency_hz) == (0, 9, 868_300_000)
    assert air.ended == {"decoded": 1}


def test_the_port_reaches_the_codec() -> None:
    air = Air()
    air.hear(air.node.send(WARM, 77))

    listed = next(iter(air.pipeline.listed()))
    assert listed.model == "cayenne-lpp"
    assert air.pipeline._listed[EUI].context.port == 77  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what a codec would see


def test_a_device_address_nobody_lists_is_unlisted() -> None:
    air = Air()
    air.hear(LorawanNode("26011f23", *KEYS).send(WARM))

    assert air.ended == {"unlisted": 1}


def test_a_mic_that_does_not_fit_is_refused_and_moves_nothing() -> None:
    air = Air()
    good = air.node.send(WARM)
    air.hear(good[:-1] + bytes((good[-1] ^ 1,)))
    air.hear(LorawanNode(DEV_ADDR, *TWIN_KEYS, counter=7).send(WARM))
    assert air.ended == {"bad_mic": 2}
    assert air.pipeline.counters() == {}

    air.hear(good)
    assert air.ended == {"bad_mic": 2, "decoded": 1}


def test_an_uplink_by_another_gateway_is_a_copy_and_a_recorded_one_is_refused() -> None:
    air = Air()
    air.node.counter = 200
    recorded = air.node.send(WARM)
    air.hear(recorded)
    air.hear(recorded)
    assert air.ended == {"decoded": 1, "duplicate": 1}

    air.hear(air.node.send(COLD))
    air.hear(recorded)
    assert air.ended == {"decoded": 2, "duplicate": 1, "replayed": 1}
    assert air.shelf.taken[1].link.copies == 2
    assert air.said == [272, -100]


def test_the_last_uplink_again_is_a_repeat_also_long_after() -> None:
    air = Air()
    recorded = air.node.send(WARM)
    air.hear(recorded)
    air.clock.pass_s(3600)
    air.hear(recorded)

    assert air.ended == {"decoded": 1, "duplicate": 1}


def test_a_node_that_began_anew_is_heard_and_what_it_says_is_flagged() -> None:
    air = Air()
    air.node.counter = 70_000
    air.hear(air.node.send(WARM))
    air.node.restart()
    air.hear(air.node.send(COLD))
    air.hear(air.node.send(WARM))

    assert air.counted == [70_000, 0, 1]
    assert [taken.results[0][4:] for taken in air.shelf.taken] == [
        ("", ()),
        ("uncertain", ("replay_possible",)),
        ("uncertain", ("replay_possible",)),
    ]


def test_a_recording_of_a_nodes_first_uplinks_does_not_shut_it_out() -> None:
    air = Air()
    first = air.node.send(COLD)
    air.node.counter = 5 * 65_536 + 3
    air.hear(air.node.send(WARM))
    air.hear(first)
    air.hear(air.node.send(WARM))

    assert air.counted == [5 * 65_536 + 3, 0, 5 * 65_536 + 4]


@given(st.lists(st.integers(0, 90_000), max_size=12))
def test_whatever_is_missed_the_whole_counter_is_known(gaps: list[int]) -> None:
    air = Air()
    sent: list[int] = []
    for gap in gaps:
        air.node.counter += gap
        sent.append(air.node.counter)
        air.hear(air.node.send(WARM))

    assert air.counted == sent


def test_mac_commands_and_uplinks_without_a_port_say_nothing_and_still_count() -> None:
    air = Air()
    air.hear(air.node.send(b"\x02", 0))
    air.hear(air.node.beat(b"\x03\x07"))
    air.hear(air.node.beat())

    assert air.ended == {"empty": 3}
    assert air.pipeline.counters() == {EUI: 2}


def test_nodes_that_share_a_device_address_are_told_apart_by_their_keys() -> None:
    air = Air(device(), device(TWIN, TWIN_KEYS))
    twin = LorawanNode(DEV_ADDR, *TWIN_KEYS, counter=900)
    for node, payload in ((air.node, WARM), (twin, COLD), (air.node, WARM), (twin, COLD)):
        air.hear(node.send(payload))
    air.hear(LorawanNode(DEV_ADDR, bytes(16), bytes(16)).send(WARM))

    assert [taken.device[-4:] for taken in air.shelf.taken] == ["1234", "5678"] * 2
    assert air.pipeline.counters() == {EUI: 1, TWIN: 901}
    assert air.ended == {"decoded": 4, "bad_mic": 1}


def test_the_counter_outlives_the_agent() -> None:
    air = Air()
    air.node.counter = 500
    recorded = air.node.send(WARM)
    air.hear(recorded)
    later = Air(recovery=Recovery(counters=air.pipeline.counters()))
    later.node.counter = 501
    later.hear(recorded)
    later.hear(LorawanNode(DEV_ADDR, *KEYS, counter=400).send(WARM))
    later.hear(later.node.send(COLD))

    assert later.ended == {"duplicate": 1, "replayed": 1, "decoded": 1}
    assert later.shelf.taken[0].results[0][5] == ()


def test_after_an_unclean_end_the_first_uplink_is_flagged() -> None:
    air = Air(recovery=Recovery(counters={EUI: 500}, unclean=True))
    air.node.counter = 510
    air.hear(air.node.send(WARM))
    air.hear(air.node.send(COLD))

    assert [t.results[0][5] for t in air.shelf.taken] == [("replay_possible",), ()]


def test_with_other_keys_the_counter_begins_anew() -> None:
    air = Air()
    air.node.counter = 500
    air.hear(air.node.send(WARM))
    air.pipeline.relist([device(keys=TWIN_KEYS)])
    air.hear(air.node.send(WARM))
    air.hear(LorawanNode(DEV_ADDR, *TWIN_KEYS, counter=300).send(COLD))

    assert air.ended == {"decoded": 2, "bad_mic": 1}
    assert air.shelf.taken[1].results[0][5] == ()


def test_keys_that_come_back_after_a_slip_let_no_recording_in() -> None:
    air = Air()
    air.node.counter = 69_999
    air.hear(recorded := air.node.send(WARM))
    air.hear(air.node.send(COLD))
    for slip in (device(keys=TWIN_KEYS), device(keys=None), device(dev_addr="00000001")):
        air.pipeline.relist([slip])
        assert not air.pipeline.counters(), "these keys have not counted yet"
    air.pipeline.relist([device()])
    assert air.pipeline.counters() == {EUI: 70_000}
    air.hear(recorded)
    air.hear(air.node.send(WARM))

    assert air.ended == {"decoded": 3, "replayed": 1}
    assert air.shelf.taken[2].results[0][5] == ()


def test_a_node_that_is_listed_later_is_known_by_its_device_address_from_then_on() -> None:
    air = Air(device(TWIN, TWIN_KEYS, "00000001"))
    air.hear(air.node.send(WARM))
    air.pipeline.relist([device()])
    air.hear(air.node.send(WARM))
    air.pipeline.relist([device(TWIN, TWIN_KEYS, "00000001")])
    air.hear(air.node.send(WARM))
    air.pipeline.relist([device()])
    air.hear(LorawanNode(DEV_ADDR, *KEYS, counter=1).send(WARM))

    assert air.ended == {"unlisted": 2, "decoded": 1, "duplicate": 1}


# --------------------------------------------------------------------------------- network servers
@pytest.fixture
def served() -> Air:
    """Return a pipeline whose node has no keys here."""
    return Air(device(keys=None))


def test_what_a_network_server_has_opened_is_decoded(served: Air) -> None:
    served.told(7)
    served.told(8, COLD)

    assert served.said == [272, -100]
    assert served.counted == [7, 8]


def test_what_a_network_server_tells_twice_is_a_repeat(served: Air) -> None:
    served.told(7)
    served.told(7)
    served.told(8)
    served.told(8, port=2)  # another content, the same uplink

    assert served.ended == {"decoded": 2, "duplicate": 2}


def test_after_a_join_a_network_server_counts_from_0_and_all_is_well(served: Air) -> None:
    served.told(1000)
    served.told(0)

    assert served.ended == {"decoded": 2}
    assert served.pipeline.counters() == {}


def test_mac_commands_told_by_a_network_server_say_nothing(served: Air) -> None:
    served.told(1, b"", 0)

    assert served.ended == {"empty": 1}


def test_of_a_node_whose_keys_are_here_nothing_is_believed_in_clear() -> None:
    air = Air()
    air.told(7)

    assert air.ended == {"not_encrypted": 1}


def test_an_uplink_of_a_node_without_keys_is_unlisted(served: Air) -> None:
    served.hear(served.node.send(WARM))

    assert served.ended == {"unlisted": 1}
