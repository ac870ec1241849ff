"""The uplink against a real mosquitto: a gateway comes, stays and goes, as the city sees it."""

import asyncio
import json
import logging
from collections.abc import Callable

import pytest

from gateway.dial import TlsSettings
from gateway.model import Lane, Outcome
from gateway.sim.broker import Answer, Offer, ScriptedBroker
from tests.brokers import Message, Mosquitto, Subscriber, free_port, strict_run
from tests.uplinks import STATUS, Site, spoke

Start = Callable[..., Mosquitto]


# -------------------------------------------------------------------------------------------- life
@pytest.mark.parametrize(("version", "guarantee"), [("5", "full"), ("3.1.1", "reduced")])
def test_each_connection_begins_with_a_retained_birth(
    mosquitto: Start, version: str, guarantee: str
) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port, version=version)
        async with site.running():
            async with Subscriber(broker.port) as platform:
                await platform.until(spoke((7, "online")))
            async with Subscriber(broker.port, name="late") as platform:
                await platform.until(spoke((7, "online")))
            assert platform.messages[0].retain
            assert platform.messages[0].json()["guarantee"] == guarantee
            assert site.uplink.connected
        assert site.told == ["up"]

    strict_run(main())


def test_the_birth_comes_before_what_is_sent_on_coming_up(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        site.uplink.on_up = lambda: site.uplink.publish(Lane.LIVE, b"{}", lambda _: None)
        async with Subscriber(broker.port) as platform, site.running():
            await platform.until(lambda messages: len(messages) == 2)
            topics = [message.topic for message in platform.messages]
            assert topics == [STATUS, "ugw/v1/kiel/gw-1/obs/live"]

    strict_run(main())


def test_each_lane_has_its_topic_and_nothing_there_is_retained(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port, topic="+/+/+/+/obs/+") as platform, site.running():
            await site.waits_for(60.0)
            for lane in Lane:
                assert await site.publish(lane, lane.encode()) == Outcome(0)
            await platform.until(lambda messages: len(messages) == 2)
        assert platform.messages == [
            Message("ugw/v1/kiel/gw-1/obs/live", b"live", retain=False),
            Message("ugw/v1/kiel/gw-1/obs/replay", b"replay", retain=False),
        ]
        async with Subscriber(broker.port, name="late", topic="+/+/+/+/obs/+") as late:
            assert late.messages == []

    strict_run(main())


def test_the_heart_beats_every_minute_and_whenever_it_is_asked_to(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform, site.running():
            await platform.until(spoke((7, "online")))
            await site.waits_for(60.0)
            site.clock.pass_s(60)
            site.let_time_pass()
            await platform.until(spoke(*[(7, "online")] * 2))
            site.uplink.tell()
            await platform.until(spoke(*[(7, "online")] * 3))
            await site.has_told(3)
        uptimes = [message.json()["uptimeMs"] for message in platform.messages]
        assert uptimes == [1_000_000, 1_060_000, 1_060_000]
        assert [report.boot_ns // 1_000_000 for report in site.reports] == uptimes

    strict_run(main())


def test_without_a_connection_a_message_ends_at_once_and_status_waits() -> None:
    async def main() -> None:
        site = Site(free_port())
        assert await site.publish(Lane.LIVE, b"") == Outcome(None, "not connected")
        site.uplink.tell()
        site.uplink.drop("nothing to drop")
        await site.uplink.farewell()
        assert not site.uplink.connected

    strict_run(main())


def test_one_place_of_the_receive_maximum_is_kept_for_status(mosquitto: Start) -> None:
    broker = mosquitto(lines=("max_inflight_messages 5", "max_packet_size 20000"))

    async def main() -> None:
        site = Site(broker.port)
        async with site.running():
            await site.waits_for(60.0)
            assert (site.uplink.receive_maximum, site.uplink.max_packet_bytes) == (4, 20_000)

    strict_run(main())


def test_status_counts_among_what_is_outstanding() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            broker.script.on(STATUS, Answer(times=0))
            site = Site(broker.port)
            assert site.uplink.outstanding_bytes == 0
            async with site.running():
                await site.waits_for(60.0)
                assert await site.publish(Lane.LIVE, b"1") == Outcome(0)
                (birth,) = (message for message in broker.received if message.topic == STATUS)
                assert site.uplink.outstanding_bytes == birth.size
                site.uplink.drop("enough")
                await site.waits_for(0.5)
                assert site.uplink.outstanding_bytes == 0

    strict_run(main())


def test_a_status_that_the_broker_denies_is_logged_once_and_never_taken_for_told(
    mosquitto: Start, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto(acl="topic write ugw/v1/kiel/gw-1/obs/#\n")

    async def main() -> None:
        site = Site(broker.port)
        async with site.running():
            for _ in range(3):
                site.uplink.tell()
                await site.waits_for(60.0)
                site.let_time_pass()
                assert (await site.publish(Lane.LIVE, b"")).reason_code is not None
        assert site.reports == []

    strict_run(main())
    refusals = [line for line in caplog.messages if line.startswith("status refused")]
    assert refusals == ["status refused reason='Not authorized'"]


# ----------------------------------------------------------------------------------------- the end
def test_a_dropped_connection_leaves_the_will_and_is_made_anew(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform, site.running():
            await platform.until(spoke((7, "online")))
            site.uplink.drop("no acknowledgement in 10 s")
            assert not site.uplink.connected
            await platform.until(spoke((7, "online"), (7, "offline")))
            assert platform.messages[-1].json()["clean"] is False
            await site.waits_for(0.5)
            site.let_time_pass()
            await platform.until(spoke((7, "online"), (7, "offline"), (8, "online")))
        assert site.told == ["up", "down: no acknowledgement in 10 s", "up"]

    strict_run(main())


def test_an_orderly_stop_is_announced_and_the_will_stays_unsaid(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform:
            async with site.running() as running:
                await platform.until(spoke((7, "online")))
                await site.has_told(1)
                site.uplink.tell()  # in flight when the farewell is said
                site.uplink.tell()  # and one more is due after it
                await site.uplink.farewell()
                await running
            await platform.until(lambda messages: messages[-1].json()["state"] == "offline")
        async with Subscriber(broker.port, name="late") as late:
            await late.until(spoke((7, "offline")))
        assert late.messages[0].json()["clean"] is True
        assert spoke((7, "online"), (7, "online"), (7, "offline"))(platform.messages)

    strict_run(main())


def test_a_frozen_broker_does_not_hold_up_the_farewell(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform:
            async with site.running() as running:
                await platform.until(spoke((7, "online")))
                broker.freeze()
                await site.uplink.farewell()
                await running
            broker.thaw()
            # Whether what it had not read counts is the broker's affair; that we are gone is not.
            await platform.until(lambda messages: messages[-1].json()["state"] == "offline")

    strict_run(main())


# ---------------------------------------------------------------------------------------- back-off
def test_the_uplink_comes_back_when_the_broker_does(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with site.running(), Subscriber(broker.port) as platform:
            await platform.until(spoke((7, "online")))
            broker.stop()
            await site.waits_for(0.5)
            site.let_time_pass()
            await site.waits_for(0.5, 1.0)
            broker.start()
            site.let_time_pass()
            # From the broker's memory: the farewell it made for us, and the birth.
            await platform.until(lambda messages: messages[-1].json()["session"] == 9)
            assert [line.split(":")[0] for line in site.told] == ["up", "down", "up"]

    strict_run(main())


def test_the_wait_doubles_up_to_a_minute_and_one_cause_is_one_line_of_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()

    async def main() -> None:
        site = Site(port)
        async with site.running():
            for wait in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
                await site.waits_for(wait)
                site.let_time_pass()
                site.waits.clear()

    strict_run(main())
    cause = f"127.0.0.1:{port} refuses connections"
    remedy = "is the broker running, on that port?"
    assert caplog.messages == [f"uplink down cause={cause!r} remedy={remedy!r}"]


def test_connections_that_do_not_last_are_made_ever_more_slowly(mosquitto: Start) -> None:
    """Two gateways with one client id: each connection ends the other's."""
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with site.running():
            for wait in (0.5, 1.0, 2.0, 4.0):
                await site.waits_for(60.0)
                site.waits.clear()
                site.uplink.drop("taken over")
                await site.waits_for(wait)
                site.waits.clear()
                site.let_time_pass()
            await site.waits_for(60.0)
            site.waits.clear()
            site.clock.pass_s(60)
            site.uplink.drop("after a good minute")
            await site.waits_for(0.5)

    strict_run(main())


def test_what_happened_is_logged_in_one_line_each(
    mosquitto: Start, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port, username="gw", password="s3cret")  # noqa: S106
        async with site.running():
            await site.waits_for(60.0)
            site.uplink.drop("enough")
            await site.waits_for(0.5)

    with caplog.at_level(logging.DEBUG):
        strict_run(main())
    ours = [line for line in caplog.messages if line.startswith("uplink")]
    assert ours == [
        f"uplink up host=127.0.0.1 port={broker.port} version=5 session=7",
        "uplink down cause='enough' remedy=''",
    ]
    assert "s3cret" not in caplog.text


# -------------------------------------------------------------------------------------- clear text
@pytest.mark.parametrize("answers", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\0\0"])
def test_a_broker_that_speaks_no_tls_is_never_spoken_to_in_clear(answers: bytes) -> None:
    """However often it is tried: whoever blocks TLS must not get the password for it."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        writer.write(answers)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            site = Site(port, username="gw", password="s3cret", tls=TlsSettings())  # noqa: S106
            async with site.running():
                for wait in (0.5, 1.0, 2.0, 4.0, 8.0):
                    await site.waits_for(wait)
                    site.waits.clear()
                    site.let_time_pass()
            assert not site.told

    strict_run(main())
    assert len(heard) >= 5
    assert {said[0] for said in heard} == {0x16}, "a TLS handshake (RFC 8446, 5.1), and no CONNECT"
    assert not [said for said in heard if b"s3cret" in said]


# --------------------------------------------------------------------------- another configuration
def test_a_new_configuration_is_taken_up_at_once_and_what_was_sent_is_acknowledged_first() -> None:
    async def main() -> None:
        async with ScriptedBroker() as old, ScriptedBroker() as new:
            old.script.on("+/+/+/+/obs/live", Answer(after_s=0.05))
            site = Site(old.port)
            async with site.running():
                await site.waits_for(60.0)
                outstanding = asyncio.create_task(site.publish(Lane.LIVE, b"1"))
                await asyncio.sleep(0)
                site.uplink.reconfigure(site.settings(new.port), site.speaker("gw-2"))
                assert not site.uplink.connected
                refused = await site.publish(Lane.LIVE, b"2")
                assert refused == Outcome(None, "not connected")
                assert await outstanding == Outcome(0)
                await site.waits_for(60.0, 60.0)
            assert site.waits == [60.0, 60.0], "there was no back-off"
            assert site.told == ["up", "down: configuration changed", "up"]
            assert [json.loads(one.payload)["state"] for one in old.delivered if one.retain] == [
                "online",
                "offline",
            ]
            assert {one.topic for one in new.received} == {"ugw/v1/kiel/gw-2/status"}
            assert not old.violations

    strict_run(main())


def test_a_new_configuration_for_the_same_place_shows_no_gap_in_the_status(
    mosquitto: Start,
) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform, site.running():
            await platform.until(spoke((7, "online")))
            site.uplink.reconfigure(site.settings(broker.port, keepalive_s=20), site.speaker())
            await platform.until(spoke((7, "online"), (8, "online")))

    strict_run(main())


def test_a_stop_between_two_connections_is_said_by_the_second(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform, site.running():
            await platform.until(spoke((7, "online")))
            site.uplink.reconfigure(site.settings(broker.port, keepalive_s=20), site.speaker())
            await site.uplink.farewell()
            await platform.until(spoke((7, "online"), (8, "online"), (8, "offline")))
        assert json.loads(platform.messages[-1].payload)["clean"] is True

    strict_run(main())


def test_a_broker_that_does_not_acknowledge_does_not_hold_up_a_new_configuration() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            broker.script.on("+/+/+/+/obs/live", Answer(times=0))
            site = Site(broker.port)
            async with site.running():
                await site.waits_for(60.0)
                outstanding = asyncio.create_task(site.publish(Lane.LIVE, b"1"))
                await asyncio.sleep(0)
                site.uplink.reconfigure(site.settings(broker.port), site.speaker())
                assert await outstanding == Outcome(None, "configuration changed")
                await site.waits_for(60.0, 60.0)

    strict_run(main())


def test_a_new_configuration_ends_the_wait_for_the_broker_of_the_old_one() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            site = Site(free_port())
            async with site.running():
                for wait in (0.5, 1.0, 2.0):
                    await site.waits_for(wait)
                    site.let_time_pass()
                await site.waits_for(4.0)
                site.uplink.reconfigure(site.settings(broker.port), site.speaker())
                await site.waits_for(4.0, 60.0)
                assert site.told == ["up"]

    strict_run(main())


# --------------------------------------------------------------------------------------- how it is
def test_how_the_uplink_stands_can_be_read_where_status_cannot_tell() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            site = Site(broker.port)
            stands = site.health.uplink
            assert stands.cause == "starting"
            async with site.running():
                await site.waits_for(60.0)
                assert (stands.host, stands.port, stands.version) == (
                    "127.0.0.1",
                    broker.port,
                    "5",
                )
                assert (stands.connected, stands.cause, stands.session) == (True, "", 7)
                site.clock.pass_s(5)
                broker.disconnect(0x8E)
                await site.waits_for(0.5)
                assert not stands.connected
                assert stands.since_ns == site.clock.boot_ns()
                assert stands.cause == "the broker disconnected: Session taken over"
                assert "client_id" in stands.remedy
                await broker.stop()
                site.clock.pass_s(5)
                site.let_time_pass()
                await site.waits_for(1.0)
                assert "refuses connections" in stands.cause
                assert stands.since_ns == site.clock.boot_ns() - 5_000_000_000

    strict_run(main())


# ------------------------------------------------------------------------------------- the version
def test_an_explicit_refusal_of_version_5_leads_to_3_1_1() -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(versions=(4,))) as broker:
            site = Site(broker.port)
            async with site.running():
                await site.waits_for(60.0)
                assert site.told == ["up"]
                assert site.health.uplink.version == "3.1.1"
            assert b'"guarantee":"reduced"' in broker.received[0].payload

    strict_run(main())


@pytest.mark.parametrize("when", ["in this run", "in another"])
def test_where_version_5_has_worked_there_is_no_way_back(when: str) -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            site = Site(broker.port)
            learned: list[str] = []
            site.uplink.on_five = learned.append
            async with site.running():
                await site.waits_for(60.0)
                assert learned == [f"127.0.0.1:{broker.port}"]
                broker.offer = Offer(versions=(4,))
                if when == "in this run":
                    site.uplink.drop("once more")
                    await site.waits_for(0.5)
                    site.let_time_pass()
                    await site.waits_for(1.0)
            if when == "in another":
                site = Site(broker.port, five_at=learned[0])
                async with site.running():
                    await site.waits_for(0.5)
            assert [connect.version for connect in broker.connects] == [5, 5]
            assert "has worked there before" in site.health.uplink.cause
            assert "set mqtt.version to 3.1.1" in site.health.uplink.remedy
        assert len(learned) == 1

    strict_run(main())


def test_that_version_5_has_worked_at_another_broker_says_nothing_of_this_one() -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(versions=(4,))) as broker:
            site = Site(broker.port, five_at="elsewhere.example:1883")
            async with site.running():
                await site.waits_for(60.0)
                assert site.told == ["up"]

    strict_run(main())


def test_silence_is_no_refusal_of_the_version() -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(silent=True)) as broker:
            site = Site(broker.port, connect_timeout_s=0.1)
            async with site.running():
                await site.waits_for(0.5)
            assert [connect.version for connect in broker.connects] == [5]

    strict_run(main())
