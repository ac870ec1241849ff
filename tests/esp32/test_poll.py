"""Sensors an ESP32 connects to, on a real VM with the simulator's radio: the real drivers read."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from drivers.ble import environmental_sensing, flower_care
from gateway.core import gatt
from gateway.sim.bluez_air import Characteristic, Peripheral, Service
from gateway.sim.esp32_gatt import BREAK, SILENCE, Fault
from gateway.sim.esp32_image import Flash
from gateway.sim.esp32_wire import CONNECTABLE, Report
from gateway.sim.polled import FlowerCare, WeatherStation
from tests.esp32.boards import scripted
from tests.esp32.machines import ROOT
from tests.scenarios.conftest import play as play  # noqa: PLC0414 - a fixture
from tests.scenarios.stage import BLE, Setting, Stage
from tests.scenarios.test_polled import advertising, configure, measured

HANG_GUARD_S: Final = 60.0
HEAP: Final = 300_000
DRIVERS: Final = ("ble.environmental_sensing", "ble.flower_care")
MODELS: Final = {"flower_care": flower_care, "environmental_sensing": environmental_sensing}
MEASURING: Final = (gatt.uuid(0x1A01), gatt.uuid(0x1A02))
TALKS: Final = "b42e2a68-ade7-11e4-89d3-123b93f75cba"
LONG: Final = b"all of a value that is longer than 22 bytes"

BOARD: Final = Setting(agent="files", plain=2, encrypted=1, ruuvi=1, lora=1, every_s=1.0)

Body = Callable[["Air"], Coroutine[Any, Any, None]]


def address(number: int) -> str:
    return f"C4:7C:8D:00:00:{number:02X}"


def urn(number: int) -> str:
    return f"ugw:kiel:{number}"


class Air:
    """A board, the devices around it that say hello, and what it has read of them."""

    def __init__(self, directory: Path, drivers: Sequence[str], every_s: int = 3600) -> None:
        lines = [
            {"address": address(number), "urn": urn(number), "poll": driver, "poll_s": every_s}
            for number, driver in enumerate(drivers)
        ]
        listed = "".join(json.dumps(line) + "\n" for line in lines).encode()
        flash = Flash(files={"site/devices.jsonl": listed}, drivers=DRIVERS)
        self.board = scripted(directory, "vm_poll", flash=flash, heap=HEAP)
        self.present = dict.fromkeys(range(len(drivers)), 0)  # type of each address

    @property
    def peripherals(self) -> Any:  # noqa: ANN401 - the board's
        return self.board.peripherals

    def place(self, number: int, services: Sequence[Service]) -> None:
        device = Peripheral(address=address(number), services=tuple(services))
        self.peripherals.add(device)

    def spoil(self, number: int, call: bytes, fault: Fault) -> None:
        self.peripherals.faults[address(number), call] = fault

    async def hello(self) -> None:
        """Let those that are present advertise, for ever."""
        while True:
            for number, kind in self.present.items():
                report = Report(address(number), b"\x02\x01\x06", CONNECTABLE, -70, kind)
                self.board.hear(report, lambda _: None)
            await asyncio.sleep(0.02)

    def read(self, number: int) -> list[list[tuple[str, Any]]]:
        """Return the readings of each poll of a device."""
        found: list[list[tuple[str, Any]]] = []
        for line in self.board.console.splitlines():
            if line.startswith("took "):
                whose, text = json.loads(line.removeprefix("took "))
                if whose == urn(number):
                    results = json.loads(text, parse_float=Decimal)["results"]
                    found.append([(one["observedProperty"], one["result"]) for one in results])
        return found

    async def unread(self) -> dict[str, str]:
        """Return why devices cannot be read."""
        await self.do("unread")
        lines = [each for each in self.board.console.splitlines() if each.startswith("cannot ")]
        return dict(json.loads(lines[-1].removeprefix("cannot ")))

    async def told(self, causes: Mapping[int, str]) -> None:
        """Return when of these devices this is told, and of the others nothing."""
        while True:
            found = {whose: cause for whose, cause in (await self.unread()).items() if cause}
            if found.keys() == {urn(number) for number in causes} and all(
                found[urn(number)].startswith(cause) for number, cause in causes.items()
            ):
                return
            await asyncio.sleep(0.1)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            assert self.board.runs, self.board.console
            await asyncio.sleep(0.02)

    async def do(self, command: str) -> None:
        done = "did " + command.partition(" ")[0]
        before = self.board.console.count(done)
        self.board.enter(f"{command}\n")
        await self.board.said_again(done, before)


def around(directory: Path, drivers: Sequence[str], body: Body, every_s: int = 3600) -> None:
    """Let devices that are read by these drivers be around a board; then see that all is well."""

    async def main() -> None:
        air = Air(directory, drivers, every_s)
        try:
            async with asyncio.timeout(HANG_GUARD_S), air.board as board:
                await board.power_on()
                await board.said("started")
                hello = asyncio.create_task(air.hello())
                await body(air)
                await judge(air)
                hello.cancel()
                with suppress(asyncio.CancelledError):
                    await hello
        except TimeoutError:
            pytest.fail(air.board.console[-3000:])

    asyncio.run(main())


async def judge(air: Air) -> None:
    """No connection is left, the scan goes on, every frame is counted once, nobody stood still."""
    heard = air.board.heard
    await air.until(lambda: air.board.heard > heard + 5)
    await air.until(lambda: not air.peripherals.connected)
    await air.do("law")
    assert "law True" in air.board.console
    assert "state up" in air.board.console
    assert "turned down" not in air.board.console
    assert "polled False" not in air.board.console
    assert "Traceback" not in air.board.console


def examples() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (f"{model}: {example['name']}", model, example)
        for model in MODELS
        for example in json.loads((ROOT / f"drivers/ble/{model}.json").read_bytes())["examples"]
    ]


def values(payload: bytes) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    while payload:
        end = 4 + payload[3]
        found.append((gatt.uuid(int.from_bytes(payload[1:3])), payload[4:end]))
        payload = payload[end:]
    return found


def services(model: str, payload: bytes) -> list[Service]:
    """Return what a device has that holds just this: each value in the service it belongs in."""
    held = values(payload)
    table = {row[1]: row[0] for row in MODELS[model].TABLE}
    found: dict[str, list[Characteristic]] = {}
    for uuid, value in held:
        found.setdefault(table[uuid], []).append(Characteristic(uuid=uuid, value=value))
    return [Service(uuid=uuid, characteristics=tuple(each)) for uuid, each in found.items()]


def number(text: str) -> int | Decimal:
    return Decimal(text) if "." in text else int(text)


def expected(example: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        (name, value if value is None or name == "firmware_version" else number(value))
        for name, value, *_ in example["readings"]
    ]


def test_every_example_of_both_models_is_read_of_a_device_that_holds_it(tmp_path: Path) -> None:
    chosen = examples()

    async def scenario(air: Air) -> None:
        for number, (_, model, example) in enumerate(chosen):
            payload = bytes.fromhex(example["payload"])
            held = values(payload)
            if tuple(uuid for uuid, _ in held) == MEASURING:  # it has to be told to measure
                probe = FlowerCare(address(number), values=held[0][1], state=held[1][1])
                air.peripherals.add(probe.peripheral)
            else:
                air.place(number, services(model, payload))
        for number, (name, _, example) in enumerate(chosen):
            await air.until(lambda number=number: bool(air.read(number)))  # type: ignore[misc]
            (found,) = air.read(number)  # in the order of the driver's table
            assert sorted(found, key=str) == sorted(expected(example), key=str), name

    around(tmp_path, [f"ble.{model}" for _, model, _ in chosen], scenario, every_s=36_000)


FAULTS: Final[tuple[tuple[bytes, Fault, str], ...]] = (
    (b"r", 0x105, "it wants to be paired"),
    (b"r", 0x10E, "it refuses a request: error 14"),
    (b"r", 7, "the connection breaks off"),
    (b"r", BREAK, "the connection breaks off"),
    (b"h", BREAK, "the connection breaks off"),
    (b"r", SILENCE, "it does not answer"),
    (b"s", SILENCE, "it does not answer"),
    (b"c", SILENCE, "it does not answer"),
)


def test_what_fails_is_told_and_costs_the_others_nothing_and_is_read_once_it_works(
    tmp_path: Path,
) -> None:
    good, gone, away = len(FAULTS), len(FAULTS) + 1, len(FAULTS) + 2

    async def scenario(air: Air) -> None:
        stations = {n: WeatherStation(address(n)) for n in range(len(FAULTS) + 3)}
        for number, station in stations.items():
            if number != gone:  # which is heard, and refuses to be connected to
                air.peripherals.add(station.peripheral)
        for number, (call, fault, _) in enumerate(FAULTS):
            air.spoil(number, call, fault)
        del air.present[away]
        await air.until(lambda: bool(air.read(good)))
        causes = {number: cause for number, (_, _, cause) in enumerate(FAULTS)}
        await air.told({**causes, gone: "it does not answer", away: "it is not heard"})
        assert "sensor cannot be read" in air.board.console
        assert not any(air.read(number) for number in stations if number != good)
        readings = len(air.read(good))
        await air.until(lambda: len(air.read(good)) > readings)
        air.peripherals.faults.clear()
        air.peripherals.add(stations[gone].peripheral)
        air.present[away] = 0
        for number in stations:
            await air.until(lambda number=number: bool(air.read(number)))  # type: ignore[misc]
        assert air.read(away)[0][0] == ("air_temperature", Decimal("0.25"))
        await air.told({})

    around(tmp_path, ["ble.environmental_sensing"] * (len(FAULTS) + 3), scenario, every_s=10)


def test_garbage_is_refused_and_read_anew_at_the_next_poll(tmp_path: Path) -> None:
    uuid, battery = gatt.uuid(0x2A6E), gatt.uuid(0x2A19)
    value = Characteristic(uuid=uuid, value=b"\xff" * 20)
    odd = Characteristic(uuid=battery, value=b"\x00" * 150)

    async def scenario(air: Air) -> None:
        air.place(0, [Service(uuid=gatt.uuid(0x181A), characteristics=(value,))])
        air.place(1, [Service(uuid=gatt.uuid(0x180F), characteristics=(odd,))])
        air.place(2, [])
        while "('bad_length', 4), ('bad_type', 2)" not in air.board.console:
            await air.do("law")
            await asyncio.sleep(0.1)
        assert not any(air.read(number) for number in range(3))
        value.value = b"\x10\x00"
        await air.until(lambda: air.read(0) == [[("air_temperature", Decimal("0.16"))]])

    around(tmp_path, ["ble.environmental_sensing"] * 3, scenario, every_s=10)


def test_a_device_that_answers_by_notifying_is_listened_to_and_long_values_are_whole(
    tmp_path: Path,
) -> None:
    async def scenario(air: Air) -> None:
        def asked(command: bytes) -> None:
            for part in (b"1, ", b"2, ") if command == b"ask" else ():
                assert air.peripherals.notify(address(0), TALKS, part)

        answer = Characteristic(uuid=TALKS, flags=("notify",))
        control = Characteristic(
            uuid=gatt.uuid(0xFFE1), flags=("read", "write"), value=LONG, on_write=asked
        )
        air.place(0, [Service(uuid=gatt.uuid(0xFFE0), characteristics=(answer, control))])
        await air.until(lambda: bool(air.read(0)))
        assert air.read(0) == [[("firmware_version", f"1, 2, {LONG.decode()}")]]

    around(tmp_path, ["ble.talker"], scenario)


def test_a_driver_that_is_no_good_costs_its_own_device_alone(tmp_path: Path) -> None:
    causes = {
        "refuses": "its driver refuses it: bad_value",
        "raises": "its driver fails: KeyError",
        "endless": "its driver asks without end",
        "odd": "its driver fails: TypeError",
        "text": "its driver fails: ValueError",
        "silent": "its driver returns no bytes",
        "nowhere": "its driver cannot be loaded",
    }

    async def scenario(air: Air) -> None:
        for number in range(len(causes)):
            air.place(number, [])
        station = WeatherStation(address(len(causes)))
        air.peripherals.add(station.peripheral)
        await air.told(dict(enumerate(causes.values())))
        await air.until(lambda: len(air.read(len(causes))) > 1)

    drivers = [f"ble.{name}" for name in causes]
    around(tmp_path, [*drivers, "ble.environmental_sensing"], scenario, every_s=10)


def test_nobody_is_connected_to_while_there_is_no_use_for_what_it_says(tmp_path: Path) -> None:
    async def scenario(air: Air) -> None:
        del air.present[0]
        await air.do("room no")
        await air.board.said("polled")  # what began before that
        air.present[0] = 0
        first = len(air.peripherals.asked)
        air.peripherals.add(WeatherStation(address(0)).peripheral)
        heard = air.board.heard
        await air.until(lambda: air.board.heard > heard + 30)
        assert len(air.peripherals.asked) == first
        await air.do("room yes")
        await air.until(lambda: bool(air.read(0)))
        await air.do("level critical")
        begun = air.peripherals.asked.count((address(0), b"c"))
        heard = air.board.heard
        await air.until(lambda: air.board.heard > heard + 100)
        assert air.peripherals.asked.count((address(0), b"c")) <= begun + 1
        readings = len(air.read(0))
        await air.do("level normal")
        await air.until(lambda: len(air.read(0)) > readings)

    around(tmp_path, ["ble.environmental_sensing"], scenario, every_s=10)


@pytest.mark.parametrize("kind", [0, 1])
def test_it_is_connected_to_by_the_kind_of_address_it_advertises_under(
    tmp_path: Path, kind: int
) -> None:
    async def scenario(air: Air) -> None:
        air.present[0] = kind
        air.peripherals.add(WeatherStation(address(0)).peripheral)
        await air.until(lambda: bool(air.read(0)))
        assert air.peripherals.kinds == {address(0): kind}

    around(tmp_path, ["ble.environmental_sensing"], scenario)


# ----------------------------------------------------------------------------- within the agent
VALUES: Final = bytes.fromhex("ea0000ab00000015b200023c00fb349b")
STATE: Final = bytes.fromhex("6328332e312e39")
READ: Final = {"soil_temperature": Decimal("23.4"), "soil_moisture": 21, "battery_level": 99}


@pytest.mark.long
def test_polled_sensors_arrive_beside_advertising_ones_whatever_hangs(
    play: Callable[..., None],
) -> None:
    near, hangs = (FlowerCare(address(number), values=VALUES, state=STATE) for number in range(2))

    async def scenario(stage: Stage) -> None:
        configure(stage, address(0), address(1))
        text = stage.config.read_text()
        stage.config.write_text(text.replace("environmental-sensing", "flower-care"))
        await stage.start_board()
        peripherals = stage.board.board.peripherals
        for sensor in (near, hangs):
            peripherals.add(sensor.peripheral)
        peripherals.faults[address(1), b"r"] = SILENCE
        async with stage.sending(), advertising(stage, address(0), address(1)):
            await stage.until(lambda: bool(measured(stage, address(0))))
            await stage.until(lambda: (address(1), b"r") in peripherals.asked)
            await stage.arrived(5)  # while it hangs
            await stage.until(lambda: not peripherals.connected)
        await stage.all_arrived()
        await stage.end_agent()
        read = measured(stage, address(0))
        assert all(READ.items() <= one.items() for one in read)
        assert not measured(stage, address(1))
        last = stage.read().last
        assert last["counters"]["decoded"] == stage.ledger.sent_count + len(read)
        assert last["counters"]["heard"] == stage.board.audible + len(read)
        assert stage.transport(BLE)["state"] == "up"

    play(scenario, BOARD)
