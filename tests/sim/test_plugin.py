"""The pytest plugin as a stranger uses it: suites of theirs, run by their pytest."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.sim import pytest_plugin
from gateway.sim.fixtures.reference import FIXTURES
from tests.sim.suites import ARGUMENTS, Suite


def test_finding_the_plugin_loads_nothing_of_the_simulator() -> None:
    probe = (
        f"import sys, {pytest_plugin.__name__}; print(*(m for m in sys.modules if 'gateway' in m))"
    )
    found = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, check=True, text=True
    )
    assert set(found.stdout.split()) == {"gateway", "gateway.sim", pytest_plugin.__name__}


def test_a_suite_that_uses_no_fixture_does_not_notice_it(pytester: pytest.Pytester) -> None:
    """Not even where nothing that ugw needs is installed: each import of it would fail."""
    pytester.makeconftest(
        "import sys\n"
        "for name in ('bleak', 'dbus_fast', 'msgspec', 'pydantic', 'ruamel', 'serial'):\n"
        "    sys.modules[name] = None\n"
    )
    pytester.makepyfile("def test_theirs(tmp_path): assert tmp_path.exists()")
    pytester.runpytest_subprocess(*ARGUMENTS).assert_outcomes(passed=1)


def test_a_fixture_of_the_suite_comes_before_ours(suite: Suite) -> None:
    result = suite("""
        @pytest.fixture
        def broker():
            return "theirs"

        def test_theirs(broker, lora):
            assert broker == "theirs"
        """)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "name", [name for name, one in FIXTURES.items() if one.example and one.stands != "bench"]
)
def test_the_example_of_a_fixture_works(suite: Suite, name: str) -> None:
    suite(FIXTURES[name].example).assert_outcomes(passed=1)


def test_every_fixture_is_in_the_reference_with_a_text() -> None:
    offered = {
        name
        for name, value in vars(pytest_plugin).items()
        if type(value).__name__ == "FixtureFunctionDefinition" and not name.startswith("_")
    }
    assert set(FIXTURES) == offered
    assert all(one.title and one.text for one in FIXTURES.values())


# ------------------------------------------------------------------------------------------ parts
def test_a_plain_test_hears_what_seeded_sensors_send_by_bluetooth(suite: Suite) -> None:
    result = suite("""
        def test_theirs(ble):
            ble.sensor("ruuvi-rawv2", every="50ms", count=3)
            heard = set()

            async def scan():
                async with BleakScanner(lambda device, data: heard.add(device.address)):
                    await asyncio.to_thread(ble.run, "200ms")
                    while len(heard) < 3:
                        await asyncio.sleep(0.01)

            asyncio.run(asyncio.wait_for(scan(), 30))
        """)
    result.assert_outcomes(passed=1)


def test_what_does_not_come_is_told_with_what_came(suite: Suite) -> None:
    result = suite("""
        def test_theirs(serial_port):
            with my_driver.opened(serial_port.path) as modem:
                modem.tell("AT+NO")
                serial_port.wait_for(b"AT+NO\\r\\n")
                serial_port.wait_for(b"AT+YES", within="1ms")
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E * b'AT+YES' was not written within 0.001 s, but b'AT+NO?r?n'".replace("?", "*")]
    )


def test_an_unplugged_port_ends_whoever_reads_it(suite: Suite) -> None:
    result = suite("""
        def test_theirs(serial_port):
            first = os.readlink(serial_port.path)
            with my_driver.opened(serial_port.path) as modem:
                serial_port.say(b"hello\\r\\n")
                assert modem.line() == "hello"
                serial_port.unplug()
                assert not serial_port.path.exists()
                with pytest.raises(OSError):
                    modem.line()
            serial_port.plug()
            assert os.readlink(serial_port.path) != first
        """)
    result.assert_outcomes(passed=1)


def test_a_device_at_another_speed_is_not_understood_until_it_is_set(suite: Suite) -> None:
    result = suite("""
        from gateway.sim.uart import garbled

        def test_theirs(serial_port):
            serial_port.answer(b"AT\\r\\n", b"+OK\\r\\n")
            serial_port.baud(9600)
            with my_driver.opened(serial_port.path) as modem:  # which sets 115200
                modem.tell("AT")
                serial_port.wait_for(garbled(b"AT\\r\\n"))
                serial_port.baud(115200)
                assert modem.ask("AT") == "+OK"
        """)
    result.assert_outcomes(passed=1)


def test_sensors_that_are_given_no_address_get_different_ones(suite: Suite) -> None:
    result = suite("""
        @pytest.mark.sim(sensors=[{"model": "bthome-v2", "count": 3}, "ruuvi-rawv2"])
        def test_theirs(ble, lora):
            ble.sensor("bthome-v2", count=2)
            ble.sensor("bthome-v2", "C0:FF:EE:00:00:08")
            ble.sensor("bthome-v2", count=2)
            lora.sensor("cayenne-lpp")
            lora.sensor("cayenne-lpp")
            assert len({one.options.address for one in ble.air.sensors}) == 11
            with pytest.raises(Exception, match="C0:FF:EE:00:00:08 already"):
                ble.sensor("ruuvi-rawv2", "C0:FF:EE:00:00:08")
        """)
    result.assert_outcomes(passed=1)


# ----------------------------------------------------------------------------------------- trouble
def test_what_is_no_time_span_is_told_with_what_is_one(suite: Suite) -> None:
    result = suite("""
        def test_theirs(ble):
            ble.run("10 minutes")
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *'10 minutes' is no time span: *", 'remedy: write "20ms"*'])


def test_all_mistakes_of_a_mark_are_told_at_once_and_without_a_traceback(suite: Suite) -> None:
    result = suite("""
        @pytest.mark.sim(sensors=["ruuvi-rawv3"], modem=["lora-e5"])
        def test_theirs(ble):
            pass
        """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*sensors?0?.model: there is no model of a sensor 'ruuvi-rawv3', did you mean*"]
    )
    result.stdout.fnmatch_lines(["*unknown key 'modem', did you mean 'modems'?"])
    result.stdout.no_fnmatch_line("*plan.py*")


def test_a_mark_that_says_what_is_to_happen_is_refused(suite: Suite) -> None:
    result = suite("""
        @pytest.mark.sim(faults=[{"at": "1s", "do": "ble.crash"}])
        def test_theirs(ble):
            pass
        """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*a mark says what there is*", "use sim.fault"])


def test_a_level_that_does_not_exist_is_told_with_those_that_do(suite: Suite) -> None:
    result = suite("""
        @pytest.mark.sim(level="outside")
        def test_theirs(ble):
            pass
        """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*there is no level 'outside'", 'level="inside" or level="process"']
    )


def test_a_program_that_is_missing_is_told_with_how_to_get_it(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("gateway.sim.process.mosquitto._SERVERS", "")
    result = suite("""
        def test_bluetooth(ble):
            pass

        def test_broker(mosquitto):
            pass
        """)
    result.assert_outcomes(errors=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["dbus-daemon is not installed, *", "install it: apt install dbus-daemon"]
    )
    result.stdout.no_fnmatch_line("*trial.py*")


def test_a_failed_test_says_what_it_did_and_how_to_see_it_again(suite: Suite) -> None:
    result = suite(
        """
        def test_theirs(ble):
            ble.advertise("C0:FF:EE:00:00:07", name="x")
            assert False
        """,
        "--sim-seed=42",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- simulator -*",
            "in real time, seed 42",
            "* s  C0:FF:EE:00:00:07 advertises",
            "again: pytest test_theirs.py::test_theirs --sim-seed=42 --sim-level=inside",
        ]
    )


def test_a_call_that_would_wait_for_its_own_loop_is_refused(suite: Suite) -> None:
    result = suite("""
        async def test_theirs(ble):
            ble.advertise("C0:FF:EE:00:00:07")  # does not wait: also from the loop
            ble.run("1s")
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*this call waits for the loop that it is made on*"])


def test_a_test_that_another_plugin_runs_is_left_to_it(suite: Suite) -> None:
    """Anyio's, which is installed here as a part of others; pytest-asyncio hands on a function."""
    result = suite(
        """
        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_theirs(broker):
            await asyncio.to_thread(my_client.publish, broker.host, broker.port, "a", b"1")
            broker.until(lambda: len(broker.received) == 1)  # not on the broker's loop
        """,
    )
    result.assert_outcomes(passed=1)


# --------------------------------------------------------------------------------------- leftovers
def test_nothing_survives_a_test_that_failed(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    threads, files = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    suite("""
        def test_theirs(ble, lora, broker, serial_port, mosquitto):
            assert False
        """).assert_outcomes(failed=1)
    assert list(tmp_path.iterdir()) == []
    assert _children() == []
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    assert os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") == before


def _children() -> list[str]:
    """Return the names of this process's children, but for those xdist works with."""
    tasks = Path("/proc/self/task").iterdir()
    pids = [pid for task in tasks for pid in (task / "children").read_text().split()]
    return [Path(f"/proc/{pid}/comm").read_text() for pid in pids]
