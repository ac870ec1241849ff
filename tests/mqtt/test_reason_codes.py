"""Every reason code there is, and every byte that is none: each has its consequence and its words.

CONNACK, PUBACK, SUBACK and DISCONNECT of a scripted broker reach the real connection with all 256
values; what a PUBACK's code does to a bundle and its lane is asked of the real delivery.
"""

import asyncio
from typing import Final, Literal

import pytest

from gateway.core import puback
from gateway.errors import UplinkError
from gateway.model import Outcome
from gateway.mqtt import Connection, MqttSettings, Will
from gateway.reasons import VersionRefusedError
from gateway.sim.broker import Answer, Offer, ScriptedBroker
from gateway.subscription import Subscription
from tests.brokers import strict_run
from tests.delivery.desk import Desk, play, window

Version = Literal["5", "3.1.1"]

WILL: Final = Will("gw/status", b"gone")
ALL: Final = range(256)
SUCCESS_TO: Final = 0x80  # reason codes from here on are failures (MQTT 5, 2.4)

# MQTT 5, 2.4, table 2-6: all that may stand in a packet for a client.
SPECIFIED: Final = (0x00, 0x04, 0x10, *range(0x80, 0xA3))

OF_CONNACK: Final = {  # MQTT 5, 3.2.2.2
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    0x87: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8C: "Bad authentication method",
    0x90: "Topic name invalid",
    0x95: "Packet too large",
    0x97: "Quota exceeded",
    0x99: "Payload format invalid",
    0x9A: "Retain not supported",
    0x9B: "QoS not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9F: "Connection rate exceeded",
}


def settings(broker: ScriptedBroker, version: Version = "5") -> MqttSettings:
    return MqttSettings(
        host="127.0.0.1",
        port=broker.port,
        client_id="gw",
        version=version,
    )


async def refusal(broker: ScriptedBroker, version: Version = "5") -> UplinkError:
    with pytest.raises(UplinkError) as caught:
        await Connection(settings(broker, version), WILL).__aenter__()
    return caught.value


# ----------------------------------------------------------------------------------------- CONNACK
def test_every_code_of_a_connack_but_success_is_a_refusal_and_told_by_name_or_number() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            for code in ALL[1:]:
                broker.offer = Offer(versions=(), refusal=bytes((0x20, 3, 0, code, 0)))
                error = await refusal(broker)
                is_version = code in (0x01, 0x84)
                assert isinstance(error, VersionRefusedError) == is_version, hex(code)
                if code in OF_CONNACK:
                    assert str(error).endswith(f"refused the connection: {OF_CONNACK[code]}")
                elif code >= SUCCESS_TO and not is_version:
                    assert "refused the connection: " in str(error), hex(code)
                    assert code in SPECIFIED or str(error).endswith(f"reason code 0x{code:02x}")
            assert len(broker.connects) == 255, "each was asked once"

    strict_run(main())


def test_every_code_of_a_connack_of_3_1_1_but_success_is_a_refusal() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            for code in ALL[1:]:
                broker.offer = Offer(versions=(), refusal=bytes((0x20, 2, 0, code)))
                error = await refusal(broker, "3.1.1")
                assert not isinstance(error, VersionRefusedError), hex(code)
            assert {connect.version for connect in broker.connects} == {4}

    strict_run(main())


# -------------------------------------------------------------------------------------- DISCONNECT
def test_every_code_of_a_disconnect_ends_the_connection_and_settles_nothing() -> None:
    async def end(broker: ScriptedBroker, code: int) -> tuple[Outcome, UplinkError]:
        broker.script.on("a", Answer(disconnect=code), times=1)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        async with Connection(settings(broker), WILL) as connection:
            connection.publish("a", b"", done=outcome.set_result)
            return await outcome, await connection.wait_closed()

    async def main() -> None:
        async with ScriptedBroker() as broker:
            for code in ALL:
                outcome, error = await end(broker, code)
                assert outcome.reason_code is None, "nobody has acknowledged it"
                assert outcome.cause == str(error)
                if code in SPECIFIED[3:] or code >= SUCCESS_TO:
                    assert str(error).startswith("the broker disconnected: "), hex(code)
                    assert outcome.ended_with == code
                if code > SPECIFIED[-1]:
                    assert str(error).endswith(f"reason code 0x{code:02x}")

    strict_run(main())


def test_a_broker_that_says_more_than_is_read_is_heard_with_its_reason() -> None:
    """Properties that are none behind the code: the code is the broker's word all the same."""

    async def main() -> None:
        garbled = bytes.fromhex("e0 05 95 03 ff ff ff")
        async with (
            ScriptedBroker(Offer(then=garbled)) as broker,
            Connection(settings(broker), WILL) as connection,
        ):
            error = await connection.wait_closed()
            assert str(error) == "the broker disconnected: Packet too large"

    strict_run(main())


# ------------------------------------------------------------------------------------------ SUBACK
def test_every_code_of_a_suback_grants_or_is_an_error() -> None:
    """Of the LoRaWAN network server's broker; ours is never asked for anything."""

    async def subscribe(broker: ScriptedBroker, code: int) -> str:
        suback = bytes((0x90, 4, 0, 1, 0, code))
        broker.offer = Offer(then=suback)
        wanted = Subscription(settings(broker), ["up"], lambda _: None, qos=1)
        try:
            async with wanted:
                return ""
        except UplinkError as error:
            return str(error)

    async def main() -> None:
        async with ScriptedBroker() as broker:
            for code in ALL:
                said = await subscribe(broker, code)
                assert bool(said) == (code > 2), (hex(code), said)

    strict_run(main())


# ------------------------------------------------------------------------------------------ PUBACK
def verdict(code: int) -> str:
    """Return what DESIGN.md, Acknowledgement, says of a code."""
    special = {
        0x10: puback.SETTLE_UNHEARD,
        0x90: puback.SET_ASIDE,
        0x95: puback.SPLIT,
        0x99: puback.SET_ASIDE,
    }
    return special.get(code, puback.SETTLE if code < SUCCESS_TO else puback.KEEP)


def test_every_code_of_a_puback_reaches_whoever_waits_for_it() -> None:
    async def main() -> None:
        async with (
            ScriptedBroker() as broker,
            Connection(settings(broker), WILL) as connection,
        ):
            for code in ALL:
                broker.script.on("a", Answer(reason_code=code), times=1)
                outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
                connection.publish("a", b"", done=outcome.set_result)
                told = await outcome
                assert (told.reason_code, told.ended_with) == (code, None)
                assert bool(told.cause) == bool(code)

    strict_run(main())


def test_every_code_of_a_puback_decides_as_it_was_designed_to() -> None:
    for code in ALL:
        assert puback.verdict(code, require_subscriber=False) == verdict(code), hex(code)
        kept = puback.KEEP if code == 0x10 else verdict(code)
        assert puback.verdict(code, require_subscriber=True) == kept, hex(code)


@pytest.mark.parametrize("code", [*SPECIFIED, 0x7F, 0xA3, 0xFF])
def test_whatever_the_code_the_bundle_ends_once_and_the_others_are_not_held_up(code: int) -> None:
    """One of ten is answered so for ever, the nine others are taken."""
    end = puback.SET_ASIDE if verdict(code) in (puback.KEEP, puback.SPLIT) else verdict(code)
    aside = int(end == puback.SET_ASIDE)

    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 10, text="x" * 15_000)
        await d.until(lambda: d.health.in_backlog() == 10)
        d.connect()

        def is_over() -> bool:
            waiting, d.uplink.outstanding = d.uplink.outstanding, []
            for message in waiting:
                message.acknowledge(code if 0 in message.numbers else 0)
            d.clock.pass_s(60)  # the longest back-off
            d.delivery.pump()
            counted = d.health.observations
            return counted.delivered + counted.set_aside == 10

        await d.until(is_over)
        counted = d.health.observations
        assert (counted.delivered, counted.set_aside, counted.dropped) == (10 - aside, aside, 0)
        assert counted.unheard == int(end == puback.SETTLE_UNHEARD)
        await d.until(lambda: d.health.in_backlog() == 0)

    play(scene, window(1))
