"""Floods and nonsense on the air: counted, and no other sensor loses anything."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.sensors import Phone, SensorOptions
from tests.scenarios.stage import KEY, Setting, Stage

Play = Callable[..., None]

DRIVERS: Final = Path(__file__).resolve().parents[2] / "drivers"
BTHOME: Final = uuid_text(0xFCD2)
RUUVI: Final = 0x0499

STRANGERS: Final = 500
FLOOD_FRAMES: Final = 300
FLOOD_HZ: Final = 50

NODE: Final = 900
PLAIN: Final = [f"C0:FF:EE:00:00:{number:02X}" for number in range(48)]
KEYED: Final = [f"C0:FF:EE:00:01:{number:02X}" for number in range(16)]
CROWD: Final = (
    *(SensorOptions(model="bthome-v2", address=address) for address in PLAIN),
    *(SensorOptions(model="bthome-v2-encrypted", address=one, key=KEY) for one in KEYED),
    SensorOptions(model="cayenne-lpp", address=f"lora:{NODE}"),
)
LORA_PER_ROUND: Final = 20


# ------------------------------------------------------------------------------------------ flood
def test_a_flood_is_counted_and_costs_no_other_sensor_a_frame(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(STRANGERS):
            stage.world.noise.append(Phone(number, every_s=1.0, rotate=4, seed=3))
        await stage.start_agent()
        async with stage.sending():
            for number in range(FLOOD_FRAMES):
                content = {BTHOME: b"\x40\x3d" + number.to_bytes(2, "little")}
                stage.world.advertise(Advertisement(address=PLAIN[0], services=content))
                await stage.passed(1 / FLOOD_HZ)
        await stage.all_heard()
        await stage.end_agent()
        counters = stage.read().last["counters"]
        assert counters["unlisted"] > STRANGERS
        assert counters["limited"] > FLOOD_FRAMES / 2
        assert counters["decoded"] < stage.ledger.sent_count + FLOOD_FRAMES / 2
        assert counters["heard"] == stage.world.audible

    play(scenario, Setting(crowd=CROWD, every_s=1.3, scan="active", intake="intake: {}"))


# --------------------------------------------------------------------------------------- nonsense
class Example(msgspec.Struct):
    """A frame from a driver's own examples."""

    payload: str
    key: str = ""


class Examples(msgspec.Struct):
    """The file beside a driver."""

    examples: list[Example]
    refused: list[Example]


def _mangled(driver: str, *, keyed: bool = False) -> Iterator[bytes]:
    """Yield every truncation and every flip of one bit of every example of a driver."""
    file = msgspec.json.decode((DRIVERS / f"{driver}.json").read_bytes(), type=Examples)
    for example in (*file.examples, *file.refused):
        frame = bytes.fromhex(example.payload)
        if bool(example.key) == keyed:
            yield from (frame[:end] for end in range(len(frame)))
            yield from (_flipped(frame, bit) for bit in range(8 * len(frame)))


def _flipped(frame: bytes, bit: int) -> bytes:
    flipped = bytearray(frame)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _nonsense() -> Iterator[list[Advertisement]]:
    """Yield all of it in rounds in which each device speaks once, so that none is coalesced."""
    plain: list[dict[str, Any]] = [
        *({"services": {BTHOME: frame}} for frame in _mangled("ble/bthome_v2")),
        *({"manufacturer": {RUUVI: frame}} for frame in _mangled("ble/ruuvi_rawv2")),
    ]
    keyed: list[dict[str, Any]] = [
        {"services": {BTHOME: frame}} for frame in _mangled("ble/bthome_v2", keyed=True)
    ]
    while plain or keyed:
        yield [
            Advertisement(address=address, **waiting.pop())
            for addresses, waiting in ((PLAIN, plain), (KEYED, keyed))
            for address in addresses[: len(waiting)]
        ]


def _lora_nonsense() -> Iterator[bytes]:
    for frame in _mangled("lora/cayenne_lpp"):
        yield frame.hex().encode()
    yield from (b"", b"0", b"016", b"0167xx10", b"+RCV=1,2,", bytes(range(1, 200)))


def test_nonsense_from_listed_devices_is_counted_and_costs_no_other_sensor_a_frame(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        sentinel = stage.world.sensors.pop(0)  # speaks when it is told to
        packets = _lora_nonsense()
        await stage.start_agent()
        async with stage.sending():
            for advertisements in _nonsense():
                for advertisement in advertisements:
                    stage.world.advertise(advertisement)
                for payload in islice(packets, LORA_PER_ROUND):
                    stage.world.lora(NODE, payload)
                stage.world.transmit(sentinel.emit())
                await stage.all_arrived()  # and so all that came before has been dealt with
        await stage.all_arrived()
        assert next(packets, None) is None
        await stage.end_agent()
        counters = stage.read().last["counters"]
        assert counters["coalesced"] == 0
        assert counters["heard"] == stage.world.audible
        for reason in (
            "truncated",
            "bad_length",
            "bad_hex",
            "bad_mic",
            "bad_version",
            "no_key",
            "not_encrypted",
        ):
            assert counters[f"refused.{reason}"], counters

    # A second: on a machine that is busy, a sensor that speaks sooner would be coalesced.
    play(scenario, Setting(crowd=CROWD, scan="active", every_s=1.0))
