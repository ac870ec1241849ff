"""One sensor speaks fifty times a second: it is held to its own rate, and nobody else's."""

from typing import Final

from gateway.health import Frames
from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.expectations import Judge
from gateway.sim.inside.bench import InsideBench
from tests.sim.insides import nodes, observations, on_bench, options, promises_hold, tags

BTHOME: Final = uuid_text(0xFCD2)
TALKER: Final = "C0:FF:EE:00:00:01"
TALKER_URN: Final = "c0ffeefffe000001"
FRAMES: Final = 3000
HZ: Final = 50
BURST: Final = 10
PER_SECOND: Final = 1


def test_a_sensor_at_50_hz_is_limited_and_counted_and_all_others_arrive_whole() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(60)
        frames = _frames(bench)
        limited, decoded = frames.limited, frames.decoded
        seconds = FRAMES / HZ
        for number in range(FRAMES):
            said = {BTHOME: b"\x40\x3d" + number.to_bytes(2, "little")}
            bench.air.advertise(Advertisement(address=TALKER, services=said))
            await bench.run(1 / HZ)  # in which the others speak
        others = bench.air.ledger.sent_count
        held_back = frames.limited - limited
        assert FRAMES - BURST - (seconds + 1) * PER_SECOND <= held_back <= FRAMES
        assert frames.decoded - decoded <= BURST + (seconds + 1) * PER_SECOND + others
        await bench.run(120)
        devices = [str(one["device"]) for one in observations(bench)]
        heard = sum(not device.endswith(TALKER_URN) for device in devices)
        assert heard >= bench.air.ledger.sent_count - 1 > 50  # it may have spoken for itself once
        await bench.gateway.stop()
        await promises_hold(bench, judge, "nothing_invented")  # the talker's are in no book

    def _frames(bench: InsideBench) -> Frames:
        assert bench.gateway.agent is not None
        return bench.gateway.agent.health.frames

    sensors = [*tags(5, every_s=10.0)[1:], *nodes(2, every_s=20.0)]
    given = options(
        sensors=[*tags(1, every_s=3600.0), *sensors], modems={"usb-lora": "reyax-rylr998"}
    )
    on_bench(act, given)
