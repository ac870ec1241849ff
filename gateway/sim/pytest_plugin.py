"""Fixtures for tests of a gateway, a driver, a platform, or one's own Bluetooth and serial code.

Found by pytest by itself where ugw is installed. It imports nothing of the simulator until a test
asks for a fixture, and a fixture of the same name in a test suite comes before it.
"""

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from gateway.sim.fixtures.faces import BrokerFace, ClockFace, DiskFace, GatewayFace
    from gateway.sim.fixtures.fleet import FleetOf
    from gateway.sim.fixtures.handle import Sim
    from gateway.sim.fixtures.plan import Plan
    from gateway.sim.fixtures.port import SerialPort
    from gateway.sim.fixtures.radio import Ble, Lora
    from gateway.sim.fixtures.trial import Trial
    from gateway.sim.process.mosquitto import Mosquitto

T = TypeVar("T")

_TRIAL: Final = pytest.StashKey["Trial"]()
REFERENCE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "@pytest.mark.sim(...)": "What the fixtures of a test, a class or a module begin with: all"
        " that a scenario says of its world (`sensors`, `modems`, `adapters`, `bluez`, `noise`,"
        " `broker`, `settings`), and what follows here; the nearest mark counts. Mistakes are told"
        " all at once.",
        "sim(level=...)": '"inside" or "process"; else what `--sim-level` says.',
        "sim(seed=...)": "The same seed, the same bytes; 1 where nothing is said.",
        "sim(sensors=[...])": "Sensors as in a scenario, or just the names of models; without an"
        " address they get one.",
        "sim(modems=[...])": "Modems as in a scenario, or just the names of their models; one is"
        " there where a sensor needs it.",
        "sim(settings=...)": "The agent's settings, as a mapping, or as YAML of gateway.yaml.",
        "sim(command=[...])": "Level process: the program to test instead of `ugw run`; {config}"
        " is the path of its configuration.",
        "sim(launcher=True)": "Level process: run the agent such that its clock and disk can be"
        " told to fail; the fixtures `clock` and `disk` ask for it themselves.",
        "sim(directory=...)": "Where logs, store and configuration are kept; else they go with"
        " the test.",
        "sim(org=..., gateway=...)": "How the gateway calls itself.",
        "sim(scan=...)": '"active" or "passive": how it scans.',
        "sim(offer=...)": "What the broker says in CONNACK: a gateway.sim.broker.Offer.",
        "@pytest.mark.mosquitto(acl=..., password=..., tls=..., lines=...)": "What the fixture"
        " `mosquitto` begins with: the text of an ACL file, a (user, password), a"
        " gateway.sim.process.mosquitto.ServerTls, further lines of its configuration.",
        "--sim-seed N": "The seed of every test, whatever its mark says: a failed test says its.",
        "--sim-level LEVEL": "The level of all tests whose mark says none; inside by default.",
    }
)
_MARKS: Final = (
    "sim(level, seed, sensors, modems, settings, ...): what a simulated world begins with",
    "mosquitto(acl, password, tls, lines): what the fixture mosquitto begins with",
)


# ------------------------------------------------------------------------------------- the plugin
def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the seed and the level."""
    group = parser.getgroup("ugw", "ugw's hardware simulator")
    group.addoption(
        "--sim-seed",
        type=int,
        metavar="N",
        help="the seed of all simulated worlds, whatever marks say",
    )
    group.addoption(
        "--sim-level",
        choices=("inside", "process"),
        default="inside",
        help="where marks do not say: inside this process on virtual time, or the real programs",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run an `async def` test that uses the simulator on the simulator's loop.

    Those that pytest-asyncio or anyio has taken on do not come here.
    """
    trial = pyfuncitem.stash.get(_TRIAL, None)
    if trial is None or trial.portal is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted if name in pyfuncitem.funcargs}
    trial.portal.wait(pyfuncitem.obj(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say below a failed test what it did to its world, and how to see it again."""
    report = yield
    trial = item.stash.get(_TRIAL, None)
    if trial is not None and report.failed:
        from gateway.sim.fixtures.report import section  # noqa: PLC0415 - in use only

        error = call.excinfo.value if call.excinfo else None
        report.sections.append(("simulator", section(trial, item.nodeid, error)))
    return report


@pytest.fixture
def _sim_trial(request: pytest.FixtureRequest) -> "Iterator[Trial]":
    """Hold what one test uses of the simulator."""
    from gateway.sim.fixtures.trial import Trial  # noqa: PLC0415 - in use, not when found

    trial = Trial(_made(lambda: _plan(request)))
    request.node.stash[_TRIAL] = trial
    yield trial
    trial.end()


def _plan(request: pytest.FixtureRequest) -> "Plan":
    from gateway.sim.fixtures.plan import plan  # noqa: PLC0415 - in use, not when found

    marks = [mark.kwargs for mark in request.node.iter_markers("sim")]
    chosen = request.config.option
    return plan(marks, request.fixturenames, chosen.sim_level, chosen.sim_seed)


def _made(make: Callable[[], T]) -> T:
    """Make it; what a person can do something about is told without a traceback."""
    from gateway.errors import UgwError  # noqa: PLC0415 - in use, not when found

    try:
        return make()
    except UgwError as error:
        told = f"{error}\n{error.remedy}".strip()
    pytest.fail(told, pytrace=False)


# ----------------------------------------------------------------------------------- the bench
@pytest.fixture
def sim(_sim_trial: "Trial") -> "Sim":
    """Give a gateway and all around it: sensors, radios, its way out, a broker, a clock, a disk.

    It says `gateway.start()`, `run("10min")`, `fault("broker.down", for_="2h")`, `expect(...)`,
    `messages`, `observations`; each call waits until it is done. At level inside this takes no
    time: the bench lives on virtual time, which stands still between two calls.

    `async def` tests run on the bench's loop, without another plugin: `await sim.bench.run(60)`.
    A mark says what there is, in the words of a scenario; addresses may be left out:

        @pytest.mark.sim(sensors=["ruuvi-rawv2", {"model": "bthome-v2", "every": "30s"}])
        def test_an_outage_loses_nothing(sim):
            sim.gateway.start()
            sim.fault("broker.down", for_="2h")
            sim.expect("every_accepted_observation_delivered", within="10min")
    """
    return _made(_sim_trial.sim)


@pytest.fixture
def gateway(sim: "Sim") -> "GatewayFace":
    """Give the agent of `sim`, not started: start, stop, restart, kill, stall, log, files.

    At level process it is the real `ugw run`, or the program that the mark names:
    `@pytest.mark.sim(level="process", command=["my-gateway", "--config", "{config}"])`.

        @pytest.mark.sim(sensors=["bthome-v2"])
        def test_a_power_cut_loses_nothing(sim, gateway):
            gateway.start()
            sim.run("10min")
            gateway.kill()
            gateway.start()
            sim.run("10min")
            sim.expect("every_accepted_observation_delivered", within="1min")
    """
    return sim.gateway


@pytest.fixture
def clock(sim: "Sim") -> "ClockFace":
    """Give the wall clock of the gateway of `sim`: step, show, drift, synced.

    At level process the agent runs through a launcher that shows it this clock.

        @pytest.mark.sim(sensors=["bthome-v2"])
        def test_a_jump_of_the_clock_loses_nothing(sim, gateway, clock):
            gateway.start()
            sim.run("10min")
            clock.step("1d")
            sim.run("10min")
            sim.expect("every_accepted_observation_delivered", within="1min")
    """
    return sim.clock


@pytest.fixture
def disk(sim: "Sim") -> "DiskFace":
    """Give the medium of the store of `sim`: trouble("full"), heal, damage.

    At level process the agent runs through a launcher that has its store fail as told.

        @pytest.mark.sim(sensors=["bthome-v2"])
        def test_a_failing_disk_is_reported(sim, gateway, disk):
            gateway.start()
            sim.run("1min")
            disk.trouble("eio")
            sim.run("10min")
            sim.expect("status_says", store="memory-only", within="1min")
    """
    return sim.disk


@pytest.fixture
def fleet(_sim_trial: "Trial") -> "FleetOf":
    """Make many gateways on one broker: `fleet(20)`.

    Each has a name, an air, a clock, a disk and a way to the broker of its own, and the sensors of
    the mark, with addresses of its own. They start, run and are judged together:

        @pytest.mark.sim(sensors=["ruuvi-rawv2"])
        def test_a_broker_that_comes_back_is_not_overrun(fleet):
            city = fleet(20)
            city.start()
            city.broker.stop()
            city.run("20min")
            city.broker.start()
            city.expect("every_accepted_observation_delivered", within="10min")
    """
    return _sim_trial.fleet


# -------------------------------------------------------------------------- parts, or of the bench
@pytest.fixture
def ble(request: pytest.FixtureRequest, _sim_trial: "Trial") -> "Ble":
    """Give Bluetooth LE: `sensor("ruuvi-rawv2")`, `advertise(address, services={0xFCD2: b"..."})`.

    In a test that uses `sim` or one of its parts, it is that bench's. In another it is a simulated
    BlueZ on a private D-Bus, in real time, and this process's D-Bus address leads there: bleak in
    the test, or in a program that it starts, takes it for the machine's. Sensors send only while
    `run("5s")` is on, in `async def` tests `await ble.air.run(5)`.

        async def test_my_scanner_hears_it(ble):
            async with BleakScanner() as scanner:
                ble.advertise("C0:FF:EE:00:00:01", manufacturer={0x0499: bytes(24)})
                async for device, data in scanner.advertisement_data():
                    assert data.manufacturer_data == {0x0499: bytes(24)}
                    break
    """
    return _made(lambda: _sim_trial.ble(of_sim=_uses_sim(request)))


@pytest.fixture
def lora(request: pytest.FixtureRequest, _sim_trial: "Trial") -> "Lora":
    """Give LoRa: `sensor("cayenne-lpp")`, `receive(17, b"...")`; `port` is the modem's.

    In a test that uses `sim` or one of its parts, it is that bench's. In another it is a simulated
    modem on a pty, in real time, for one's own code that speaks to it:

        @pytest.mark.sim(modems=["reyax-rylr998"])  # which is the usual one
        def test_my_driver_reads_a_packet(lora):
            with my_driver.opened(lora.port) as modem:
                lora.receive(17, b"hello", rssi_dbm=-99, snr_db=4)
                assert modem.line() == "+RCV=17,5,hello,-99,4"
    """
    return _made(lambda: _sim_trial.lora(of_sim=_uses_sim(request)))


@pytest.fixture
def broker(request: pytest.FixtureRequest, _sim_trial: "Trial") -> "BrokerFace":
    """Give a broker that does what it is told: late, lost, refused acknowledgements, all limits.

    In a test that uses `sim` or one of its parts, it is that bench's. In another it listens on
    `host` and `port`, in real time, for one's own MQTT client; `received` is all that came.

        def test_my_client_hangs_up_when_refused(broker):
            broker.answer("#", Answer(reason_code=0x87))  # not authorized
            with pytest.raises(my_client.RefusedError):
                my_client.publish(broker.host, broker.port, "a/b", b"1")
            assert [message.topic for message in broker.received] == ["a/b"]
    """
    return _made(lambda: _sim_trial.broker(of_sim=_uses_sim(request)))


@pytest.fixture
def serial_port(_sim_trial: "Trial") -> "SerialPort":
    r"""Give a serial port at `path`, in real time, with the test as the device behind it.

    The device says bytes (`say`), answers commands (`answer`, `answer_with`), sees what was
    written (`written`, `wait_for`), can be pulled out, hang, and have a speed of its own.

        def test_my_driver_asks_for_the_version(serial_port):
            serial_port.answer(b"AT+VER=?\r\n", b"+VER=1.2\r\n")
            with my_driver.opened(serial_port.path) as modem:
                assert modem.ask("AT+VER=?") == "+VER=1.2"
    """
    return _sim_trial.serial_port()


@pytest.fixture
def mosquitto(request: pytest.FixtureRequest, _sim_trial: "Trial") -> "Mosquitto":
    """Give a real mosquitto on 127.0.0.1, at `host` and `port`: stop, start, kill, freeze, log.

    The mark `@pytest.mark.mosquitto(acl=..., password=..., tls=..., lines=...)` gives it more than
    that. The test is skipped where mosquitto is not installed.

        def test_my_client_is_understood_by_a_real_broker(mosquitto):
            my_client.publish(mosquitto.host, mosquitto.port, "a/b", b"1")
    """
    from gateway.errors import SimulatorError  # noqa: PLC0415 - in use, not when found
    from gateway.sim.process.mosquitto import program  # noqa: PLC0415

    try:
        program("mosquitto")
    except SimulatorError as missing:
        pytest.skip(f"{missing}; {missing.remedy}")
    marks = [mark.kwargs for mark in request.node.iter_markers("mosquitto")]
    return _made(lambda: _sim_trial.mosquitto(marks[0] if marks else {}))


def _uses_sim(request: pytest.FixtureRequest) -> bool:
    return "sim" in request.fixturenames
