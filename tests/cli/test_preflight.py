"""`ugw check` tries what the agent will need, against real things, and disturbs nothing."""

import asyncio
import datetime as dt
import fcntl
import os
import socket
import termios
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.backlog.sqlite.opening import LOCK
from gateway.cli.preflight import Probe, State, Verdict, examine
from gateway.exit_codes import ExitCode
from gateway.sim.bluez import BluezOptions
from gateway.sim.world import World
from tests.brokers import Mosquitto, ServerTls, Subscriber, free_port, strict_run
from tests.cli.places import Ended, configuration, radios, ugw

Start = Callable[..., Mosquitto]
DAY = dt.timedelta(days=1)
DENY = "topic deny ugw/v1/kiel/gw-1/event\ntopic readwrite #\n"


def in_world(
    scene: Callable[[World], Coroutine[Any, Any, Ended]], world: World | None = None
) -> Ended:
    """Play a scene in a world, by default one without any radio."""

    async def play(world: World) -> Ended:
        async with world:
            return await scene(world)

    return strict_run(play(world or World(adapters=())))


def checked(
    directory: Path, *words: str, world: World | None = None, **parts: str
) -> dict[str, dict[str, str]]:
    """Check a configuration in a world; return its verdicts by name, and how it ended."""

    async def scene(world: World) -> Ended:
        path = configuration(directory, transports=radios(world), **parts)
        return await ugw("check", "--json", *words, "-c", str(path), environ=world.environment())

    ended = in_world(scene, world)
    verdicts = {verdict["name"]: verdict for verdict in ended.json()["checks"]}
    assert "Traceback" not in ended.err
    return {**verdicts, "end": {"code": str(ended.code), "ok": str(ended.json()["ok"])}}


def in_clear(broker: Mosquitto, more: str = "") -> str:
    return f"{{host: localhost, port: {broker.port}{more}}}"


# ----------------------------------------------------------------------------- all is as it should
def test_where_all_is_well_each_thing_is_said_to_be_and_only_an_event_is_left(
    mosquitto: Start, tmp_path: Path
) -> None:
    authority = trustme.CA()
    files = issued(authority, tmp_path, not_after=dt.datetime.now(dt.UTC) + 90 * DAY)
    plain = free_port()
    broker = mosquitto(tls=files["listener"], lines=(f"listener {plain} 127.0.0.1",))

    async def scene(world: World) -> Ended:
        mqtt = f"{{host: localhost, port: {broker.port}, tls: {files['tls']}}}"
        path = configuration(tmp_path, mqtt=mqtt, transports=radios(world))
        async with Subscriber(plain) as platform:
            ended = await ugw("check", "--strict", "-c", str(path), environ=world.environment())
            await platform.until(bool)
        (message,) = platform.messages
        said = message.json()
        assert message.topic == "ugw/v1/kiel/gw-1/event"
        assert not message.retain
        assert (said["schema"], said["kind"]) == ("ugw.event/1", "agent.check")
        return ended

    ended = in_world(scene, World(modems=("usb-lora",)))

    assert ended.code == ExitCode.OK, ended.out
    lines = [line.split(None, 2) for line in ended.out.splitlines() if line.startswith("ok ")]
    assert [name for _, name, _ in lines] == [
        "store",
        "space",
        "ble:hci0",
        "serial:usb-lora",
        "name",
        "connection",
        "certificate",
        "broker",
        "publish",
    ]
    told = {name: text for _, name, text in lines}
    assert told["ble:hci0"] == "powered, can scan passively"
    assert told["serial:usb-lora"] == "reyax-rylr998 answers at 115200 baud"
    assert "its certificate holds for 89 more days" in told["connection"]
    assert "holds for 89 more days" in told["certificate"]
    assert told["broker"] == "admits gw-1 with MQTT 5"
    assert told["publish"] == "allowed on ugw/v1/kiel/gw-1/event"
    assert ended.out.endswith("\nThe agent can start.\n")
    assert [path.name for path in (tmp_path / "store").iterdir()] == []


def issued(authority: trustme.CA, directory: Path, **validity: Any) -> dict[str, Any]:  # noqa: ANN401 - trustme's own
    """Write certificates for both ends; return the listener's, and the gateway's as YAML."""
    ca = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    paths: dict[str, tuple[Path, Path]] = {}
    for name in ("localhost", "gw-1.example"):
        leaf = authority.issue_cert(name, **validity)
        cert, key = directory / f"{name}.pem", directory / f"{name}.key"
        cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        paths[name] = (cert, key)
    cert, key = paths["gw-1.example"]
    return {
        "listener": ServerTls(*paths["localhost"], client_ca=ca),
        "tls": f"{{ca: {ca}, cert: {cert}, key: {key}}}",
    }


# ------------------------------------------------------------------------------------ the platform
def test_a_broker_that_denies_the_topic_says_so_with_the_remedy(
    mosquitto: Start, tmp_path: Path
) -> None:
    broker = mosquitto(acl=DENY)
    found = checked(tmp_path, mqtt=in_clear(broker))

    assert found["publish"]["state"] == State.WARNING
    assert "the broker denies ugw/v1/kiel/gw-1/event" in found["publish"]["text"]
    assert "(0x87)" in found["publish"]["text"]
    assert "allow it ugw/v1/kiel/gw-1/#" in found["publish"]["remedy"]
    assert found["end"] == {"code": "0", "ok": "True"}  # the agent starts, and keeps what it hears
    strict = checked(tmp_path, "--strict", mqtt=in_clear(broker))
    assert strict["end"] == {"code": "1", "ok": "False"}


def test_under_311_nobody_can_know_what_the_broker_denies(
    mosquitto: Start, tmp_path: Path
) -> None:
    found = checked(tmp_path, mqtt=in_clear(mosquitto(acl=DENY), ', version: "3.1.1"'))

    assert found["broker"]["text"] == "admits gw-1 with MQTT 3.1.1"
    assert found["publish"]["state"] == State.SKIPPED
    assert "cannot be known" in found["publish"]["text"]


def test_a_broker_that_is_away_leaves_the_rest_tried_and_the_agent_able_to_start(
    tmp_path: Path,
) -> None:
    found = checked(tmp_path, mqtt=f"{{host: localhost, port: {free_port()}}}")

    assert found["connection"]["state"] == State.WARNING
    assert "refuses connections" in found["connection"]["text"]
    assert [found[name]["state"] for name in ("broker", "publish")] == [State.SKIPPED] * 2
    assert found["store"]["state"] == State.OK
    assert found["end"]["code"] == "0"


def test_a_name_that_nobody_knows_is_told_before_anything_is_connected(tmp_path: Path) -> None:
    found = checked(tmp_path, mqtt="{host: broker.invalid, allow_cleartext: true}")

    assert "cannot resolve broker.invalid" in found["name"]["text"]
    assert found["connection"]["state"] == State.SKIPPED


def test_wrong_credentials_are_told_with_the_brokers_word(
    mosquitto: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "gw-1")
    monkeypatch.setenv("PASSWORD", "wrong-one")
    broker = mosquitto(password=("gw-1", "right-one"))
    found = checked(
        tmp_path, mqtt=in_clear(broker, ", username: 'env:WHO', password: 'env:PASSWORD'")
    )

    assert found["broker"]["state"] == State.WARNING
    assert "refused the connection" in found["broker"]["text"]
    assert "mqtt.password" in found["broker"]["remedy"]


@pytest.mark.parametrize(
    ("days", "state", "words"),
    [(5, State.WARNING, "holds for 4 more days"), (-1, State.WARNING, "has expired")],
)
def test_certificates_are_told_by_the_days_they_have_left(
    mosquitto: Start, tmp_path: Path, days: int, state: State, words: str
) -> None:
    end = dt.datetime.now(dt.UTC) + days * DAY
    files = issued(trustme.CA(), tmp_path, not_before=end - 30 * DAY, not_after=end)
    broker = mosquitto(tls=files["listener"])
    mqtt = f"{{host: localhost, port: {broker.port}, tls: {files['tls']}}}"
    found = checked(tmp_path, mqtt=mqtt)

    for name in ("connection", "certificate"):
        assert found[name]["state"] == state
        assert words in found[name]["text"]
        assert "renew it" in found[name]["remedy"]


def test_a_certificate_of_ours_that_does_not_hold_yet_is_told_with_the_day(
    mosquitto: Start, tmp_path: Path
) -> None:
    authority, begin = trustme.CA(), dt.datetime.now(dt.UTC) + 2 * DAY
    early = issued(authority, tmp_path, not_before=begin, not_after=begin + 90 * DAY)
    own = tmp_path / "early"
    own.mkdir()
    for name in ("gw-1.example.pem", "gw-1.example.key"):
        (tmp_path / name).rename(own / name)
    broker = mosquitto(tls=issued(authority, tmp_path)["listener"])
    tls = early["tls"].replace(f"{tmp_path}/gw-1", f"{own}/gw-1")
    found = checked(tmp_path, mqtt=f"{{host: localhost, port: {broker.port}, tls: {tls}}}")

    assert found["certificate"]["state"] == State.WARNING
    assert f"our certificate is not valid before {begin:%Y-%m-%d}" in found["certificate"]["text"]
    assert "is this gateway's clock right?" in found["certificate"]["remedy"]


def test_a_broker_of_another_name_is_not_trusted(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto(tls=issued(trustme.CA(), tmp_path)["listener"])
    tls = f"{{ca: {tmp_path / 'ca.pem'}}}"
    found = checked(tmp_path, mqtt=f"{{host: 127.0.0.1, port: {broker.port}, tls: {tls}}}")

    assert "its certificate is for another host" in found["connection"]["text"]
    assert "mqtt.host" in found["connection"]["remedy"]


# -------------------------------------------------------------------------------------- the radios
def test_a_bluez_without_passive_scans_is_told_with_what_switches_them_on(tmp_path: Path) -> None:
    found = checked(tmp_path, world=World(bluez=BluezOptions(monitors=False)))

    assert "offers no passive scan" in found["ble:hci0"]["text"]
    assert "--experimental" in found["ble:hci0"]["remedy"]


def test_where_a_passive_scan_would_not_find_service_data_that_is_said(tmp_path: Path) -> None:
    options = BluezOptions(profile="5.82", offload=False)
    found = checked(tmp_path, world=World(bluez=options))

    assert "but not for service data" in found["ble:hci0"]["text"]


def test_an_adapter_that_is_off_and_one_that_is_missing_are_told_apart(tmp_path: Path) -> None:
    async def scene(world: World) -> Ended:
        world.bluez.power("hci0", on=False)
        transports = "[{kind: ble, adapter: hci0}, {kind: ble, adapter: hci7}]"
        path = configuration(tmp_path, transports=transports)
        return await ugw("check", "--json", "-c", str(path), environ=world.environment())

    verdicts = {each["name"]: each for each in in_world(scene, World()).json()["checks"]}
    assert verdicts["ble:hci0"]["text"] == "adapter hci0 is powered off"
    assert "bluetoothctl power on" in verdicts["ble:hci0"]["remedy"]
    assert verdicts["ble:hci7"]["text"] == "no adapter hci7"


def test_without_a_bus_the_bus_is_named(tmp_path: Path) -> None:
    async def scene(_: World) -> Ended:
        path = configuration(tmp_path, transports="[{kind: ble}]")
        nowhere = f"unix:path={tmp_path / 'no-bus'}"
        environ = {"DBUS_SYSTEM_BUS_ADDRESS": nowhere}
        return await ugw("check", "--json", "-c", str(path), environ=environ)

    verdicts = {each["name"]: each for each in in_world(scene).json()["checks"]}
    assert verdicts["ble:hci0"]["text"] == f"no D-Bus at unix:path={tmp_path / 'no-bus'}"
    assert "systemctl start dbus" in verdicts["ble:hci0"]["remedy"]


def of_the_modem(
    directory: Path,
    prepare: Callable[[World], None],
    *,
    modem: str = "reyax-rylr998",
    more: str = "",
) -> dict[str, str]:
    """Return what is said of a modem that was prepared."""

    async def scene(world: World) -> Ended:
        text = radios(world).replace("reyax-rylr998", f"{modem}{more}")
        path = configuration(directory, transports=text)
        prepare(world)
        return await ugw("check", "--json", "-c", str(path), environ=world.environment())

    world = World(adapters=(), modems={"usb-lora": modem})
    verdicts = in_world(scene, world).json()["checks"]
    (verdict,) = [each for each in verdicts if each["name"] == "serial:usb-lora"]
    told: dict[str, str] = verdict
    return told


def test_a_modem_that_says_nothing_is_not_taken_for_one(tmp_path: Path) -> None:
    told = of_the_modem(tmp_path, lambda world: setattr(uart(world), "silent", True))
    assert told["state"] == State.WARNING
    assert "no reyax-rylr998 answers at 115200, 9600, 57600 or 38400 baud" in told["text"]


def test_a_modem_that_answers_at_another_rate_is_found(tmp_path: Path) -> None:
    def slow_down(world: World) -> None:
        model: Any = world.modems["usb-lora"].model
        model.settings["IPR"] = "9600"

    told = of_the_modem(tmp_path, slow_down)
    assert told["text"] == "reyax-rylr998 answers at 9600 baud"


def test_a_modem_that_cannot_be_asked_is_said_to_be(tmp_path: Path) -> None:
    told = of_the_modem(tmp_path, lambda _: None, modem="ebyte-e220", more=", sender: word")
    assert told["state"] == State.OK
    assert told["text"] == "may be opened; no ebyte-e220 can be asked"


def test_a_modem_that_is_not_plugged_in_is_missed(tmp_path: Path) -> None:
    told = of_the_modem(tmp_path, lambda world: world.modems["usb-lora"].unplug())
    assert told["text"].endswith("usb-lora is not there")


def test_a_port_that_somebody_else_has_is_told_with_who_that_is(tmp_path: Path) -> None:
    held: list[int] = []

    def take(world: World) -> None:
        descriptor = os.open(uart(world).tty, os.O_RDWR | os.O_NOCTTY)
        held.append(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # as pyserial and others do
        fcntl.ioctl(descriptor, termios.TIOCEXCL)

    told = of_the_modem(tmp_path, take)
    os.close(held[0])
    assert told["state"] == State.WARNING
    assert f"(pid {os.getpid()})" in told["text"]


def uart(world: World) -> Any:  # noqa: ANN401 - a Uart
    return world.modems["usb-lora"].uart


# ---------------------------------------------------------------------------------------- an agent
@contextmanager
def agent_on(store: Path) -> Any:  # noqa: ANN401 - a context
    """Hold the store as an agent does."""
    with (store / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_an_agent_that_runs_is_not_thrown_off_its_broker(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()

    async def scene(world: World) -> Ended:
        path = configuration(tmp_path, mqtt=in_clear(broker), transports=radios(world))
        with agent_on(tmp_path / "store"):
            return await ugw("check", "-c", str(path), environ=world.environment())

    ended = in_world(scene, World(modems=("usb-lora",)))
    assert ended.code == ExitCode.OK
    assert ended.out.count("an agent is running") == 4  # port, backlog, broker, publish
    assert "ugw status" in ended.out
    assert "gw-1" not in broker.log()


# ----------------------------------------------------------------------------------------- bounds
async def saying(*verdicts: Verdict, then: float = 0) -> AsyncGenerator[Verdict]:
    for verdict in verdicts:
        yield verdict
    if then:
        await asyncio.Event().wait()


def test_what_does_not_end_is_a_warning_and_keeps_nobody_else_from_being_told() -> None:
    told: list[Verdict] = []
    wanted = [
        Probe(("a", "b"), partial(saying, Verdict.ok("a", "is"), then=1)),
        Probe(("c",), partial(saying, Verdict.ok("c", "is"))),
    ]
    strict_run(examine(wanted, told.append, limit_s=0.2))

    assert [(each.name, each.state) for each in told] == [
        ("a", State.OK),
        ("b", State.WARNING),
        ("c", State.OK),
    ]
    assert told[1].text == "no answer within 0.2 s"


def test_a_faulty_configuration_is_not_tried(tmp_path: Path) -> None:
    path = configuration(tmp_path, transports="[{kind: bel}]")
    ended = strict_run(ugw("check", "-c", str(path)))

    assert (ended.code, ended.out) == (ExitCode.CONFIGURATION, "")
    assert "did you mean 'ble'?" in ended.err


# ------------------------------------------------------------------------------------- LoRaWAN
def lorawan(directory: Path, transport: str) -> dict[str, str]:
    """Check one transport; return its verdict."""
    path = configuration(directory, transports=f"[{transport}]")
    ended = strict_run(ugw("check", "--json", "-c", str(path)))
    verdicts: list[dict[str, str]] = ended.json()["checks"]
    return next(each for each in verdicts if ":" in each["name"])


def test_a_port_for_forwarders_is_free_or_said_to_be_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{holder.getsockname()[1]}"
        taken = lorawan(tmp_path, f"{{kind: semtech-udp, listen: '{listen}'}}")
    free = lorawan(tmp_path, f"{{kind: semtech-udp, listen: '{listen}'}}")

    assert taken["state"] == State.WARNING
    assert f"cannot listen on {listen}" in taken["text"]
    assert free["state"] == State.OK


def test_a_network_server_is_subscribed_to(mosquitto: Start, tmp_path: Path) -> None:
    port = mosquitto().port
    good = lorawan(tmp_path, f"{{kind: chirpstack, host: localhost, port: {port}}}")
    gone = lorawan(tmp_path, f"{{kind: chirpstack, host: localhost, port: {free_port()}}}")

    assert good["state"] == State.OK
    assert good["text"] == "subscribed to application/+/device/+/event/up"
    assert gone["state"] == State.WARNING
    assert "refuses connections" in gone["text"]
