"""The parts of the agent, made once, when it starts; then this leaves memory.

The store first, because it says what is still owed; the radio last.
"""

from os import urandom

from gateway.core import vocabulary
from gateway.core.wire import quote
from gateway.esp32 import overlay
from gateway.esp32.ble import Scanner
from gateway.esp32.clock import Clock
from gateway.esp32.console import say
from gateway.esp32.delivery import Delivery
from gateway.esp32.link import Link
from gateway.esp32.losses import Losses
from gateway.esp32.pipeline import Counts, Intake
from gateway.esp32.uart import Port
from gateway.esp32.uplink import Uplink
from gateway.esp32.vitals import Vitals

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from typing import Any

    from gateway.esp32.main import Agent
    from gateway.esp32.settings import Site

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def build(agent: "Agent") -> None:
    """Make the parts of an agent whose files are below `agent.root`."""
    from esp32 import NVS

    nvs, root = NVS("ugw"), agent.root
    say("starts", because=overlay.run("restart", "cause"))
    _name_properties()
    agent.site = site = _site(root, nvs)
    agent.clock = clock = Clock()
    if site.time["trust_rtc"]:
        overlay.run("sntp", "trust_chip", clock)
    agent.counts = counts = Counts()
    agent.streams = streams = {"routine": _stream_id(), "event": _stream_id()}
    agent.link = Link(site)
    agent.uplink = uplink = Uplink(site, clock, agent.link)
    agent.delivery = delivery = Delivery(site, clock, counts, uplink, streams)
    kept = delivery.open().recover()
    session, agent.previous, losses, counters = overlay.run(
        "journal", "begin", root, streams, kept, site.session
    )
    agent.session, agent.session_end = session, session + 100
    agent.losses = Losses(root, clock, losses)
    lines = overlay.run("settings", "devices", root, nvs)
    devices = overlay.run("roster", "listed", lines, site.intake)
    unclean = not all([clean for _, _, clean, _ in agent.previous])  # noqa: C419 - a generator takes more
    overlay.run("roster", "restore", devices, counters, unclean)
    if all([device.klass != "event" for device in devices]):  # noqa: C419 - as above
        agent.delivery.rings[0].buffer = bytearray()  # no event will come
    agent.intake = intake = Intake(devices, clock, counts, delivery, streams)
    _connect(agent, intake)


def _name_properties() -> None:
    """Say where the vocabulary is looked up."""
    version = __file__.rpartition("/gateway/")[0]
    if version:  # loaded from files; in firmware the whole table takes no memory
        from gateway.esp32 import properties

        vocabulary.source[0] = properties.line
        properties.use(version + "/properties.txt")
    else:
        vocabulary.thrifty[0] = True


def _site(root: str, nvs: "Any") -> "Site":  # noqa: ANN401 - the firmware's
    """Return the settings, as far as this kind of agent can have them."""
    site = overlay.run("settings", "load", root, nvs)
    installed = overlay.run("slots", "software", root)
    if installed:
        flashed = '"software":'  # the announcement was rendered with what the board was made with
        site.about = site.about.replace(
            flashed + quote(site.software), flashed + quote(installed[1])
        )
        site.software = installed[1]
    elif site.update:  # files cannot replace what is frozen
        site.update = False
        say("takes no updates", because="the agent is part of the firmware")
    return site


def _connect(agent: "Agent", intake: Intake) -> None:
    """Make what runs, and hang each on what it wants to know."""
    site, clock, uplink = agent.site, agent.clock, agent.uplink
    names = ["delivery", "chores", "network", "uplink"]
    runs = [agent.deliver, agent.look_after, agent.link.run, uplink.run]
    agent.radios = []
    for number, uart in enumerate(site.uarts):
        agent.radios.append(Port(uart, intake, clock, agent.beats(4 + number)))
    if site.ble:
        agent.radios.append(Scanner(site.ble, intake, clock, agent.beats(4 + len(site.uarts))))
    for radio in agent.radios:
        names.append(radio.name)
        runs.append(radio.run)
    agent.vitals = Vitals(tuple(names), site.watchdog_s * 1000, site.led_pin)
    agent.runs = runs
    agent.link.on_beat, uplink.beat = agent.beats(2), agent.beats(3)
    uplink.on_up, uplink.on_down, uplink.on_ack = agent.up, agent.down, agent.acknowledged
    agent.delivery.on_loss = agent.losses.add
    intake.on_refuse = agent.refused
    if site.update:
        uplink.set_callback(agent.heard)
        uplink.topics.append(site.root + "/update")
    told = overlay.run("status", "ended", agent.previous)
    agent.notify("agent.start", "previous", told.encode())


def _stream_id() -> str:
    """Return a name that no stream ever had: opaque, as long as the Pi's."""
    return "".join([_BASE32[byte & 31] for byte in urandom(26)])
