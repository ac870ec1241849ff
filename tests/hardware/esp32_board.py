"""Watch a real board for hours: whether it starts, stays up, and delivers what it counts.

    .venv/bin/python -m tests.hardware.esp32_board /dev/ttyUSB0 --hours 72

It reads the board's console as a person would, and asks `status` now and then. With a broker it
also holds the board to its own numbers: both laws in every status, and every observation it calls
settled has come. It ends with 0 if the board became ready, never started anew by itself, never
printed an error, and kept its numbers; with 1 otherwise, and says why. docs/reference/esp32.md
says which run proves what.
"""

import argparse
import json
import re
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TextIO, cast

import serial
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

BAUD: Final = 115_200
PORT_TLS: Final = 8883
PORT_CLEAR: Final = 1883
READ_S: Final = 0.2
RESET_S: Final = 0.1
READY_LIMIT_S: Final = 300.0
LATE_S: Final = 60.0  # after the end, for what is on its way
SETTLED_S: Final = 2.0
ANSWERS_S: Final = 3.0
KEY: Final = "\r"  # wakes the console, and is nothing on one that is awake
MOST_FINDINGS: Final = 100

# What the chip, the IDF and MicroPython print when something went wrong.
ERRORS: Final = (
    "MemoryError",
    "Traceback (most recent call last)",
    "Guru Meditation",
    "Backtrace:",
    "abort() was called",
    "assert failed",
    "Brownout detector",
    "Stack canary",
    "CORRUPT HEAP",
)
SAID: Final = re.compile(r"ugw ([a-zA-Z].*)")
COUNTER: Final = re.compile(r"([A-Za-z][A-Za-z_.]*) (\d+)(?:  |$)")
REDRAWN: Final = re.compile(r".*\r\x1b\[K")  # the prompt, before a line is said over it
HEAP: Final = (
    "import gc,esp32;print('heap',gc.mem_alloc(),gc.mem_free(),"
    "esp32.idf_heap_info(esp32.HEAP_DATA));import machine;machine.reset()"
)

FRAMES: Final = (
    *("unlisted", "duplicate", "limited", "coalesced", "thinned"),
    *("unknown", "empty", "waiting", "decoded"),
)
OBSERVATIONS: Final = ("delivered", "setAside", "dropped", "inMemory", "inBacklog")


class Findings:
    """What went wrong, as it is found: each on a line of its own, with the time."""

    def __init__(self, out: TextIO) -> None:
        self.wrong: list[str] = []
        self._out = out
        self._since = time.monotonic()

    def say(self, text: str) -> None:
        """Write down something that is no fault."""
        passed = int(time.monotonic() - self._since)
        hours, rest = divmod(passed, 3600)
        print(f"{hours:3}:{rest // 60:02}:{rest % 60:02}  {text}", file=self._out, flush=True)

    def fault(self, text: str) -> None:
        """Write down a fault; of too many only the first are kept."""
        self.say(f"WRONG  {text}")
        if len(self.wrong) < MOST_FINDINGS:
            self.wrong.append(text)


class Console:
    """The serial line: lines as the board says them, and what is typed."""

    def __init__(self, port: str) -> None:
        self._line = serial.Serial()
        self._line.port, self._line.baudrate, self._line.timeout = port, BAUD, READ_S
        self._line.dtr = self._line.rts = False  # or the lines of a development board reset it
        self._line.open()
        self._rest = b""

    def reset(self) -> None:
        """Press the reset button by its line (EN is pulled low by RTS)."""
        self._line.rts = True
        time.sleep(RESET_S)
        self._line.rts = False

    def type(self, text: str) -> None:
        """Type something."""
        self._line.write(text.encode())

    def lines(self) -> Iterator[str]:
        """Yield the whole lines that have come; wait a little for the first."""
        yield from self.whole(self._line.read(max(1, self._line.in_waiting)))

    def whole(self, data: bytes) -> Iterator[str]:
        """Take what has come, and yield what is whole of it."""
        self._rest += data
        *whole, self._rest = self._rest.split(b"\n")
        for line in whole:
            yield REDRAWN.sub("", line.decode(errors="replace").rstrip("\r"))


class Numbers:
    """Which numbers of a stream have come, from the first that was promised to us."""

    def __init__(self, start: int) -> None:
        self.start = self.below = start  # below it all have come
        self._ahead: set[int] = set()

    def take(self, number: int) -> None:
        """Note one that has come, or was declared lost."""
        if number >= self.below:
            self._ahead.add(number)
        while self.below in self._ahead:
            self._ahead.remove(self.below)
            self.below += 1


class Platform:
    """A subscriber: what the board said of itself over MQTT, and whether it is so.

    What is seen is kept for `check`, which runs in the thread that reads the console.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.statuses = 0
        self.observations = 0
        self.last: dict[str, Any] = {}
        self._mail: list[tuple[str, bytes]] = []
        self._streams: dict[str, Numbers] = {}
        self._settled: dict[str, tuple[float, int]] = {}

    def connect(self, options: argparse.Namespace) -> Client:
        """Return a client that hears the board."""
        client = Client(CallbackAPIVersion.VERSION2)
        if options.username:
            secret = options.password_file
            client.username_pw_set(options.username, secret and secret.read_text().strip())
        if options.ca:
            trust = ssl.create_default_context(cafile=options.ca)
            if options.cert:
                trust.load_cert_chain(options.cert, options.cert_key)
            cast("Any", client).tls_set_context(trust)  # its type is partly unknown
        client.on_connect = self._connected
        client.on_message = self._hear
        host, _, port = options.broker.partition(":")
        client.connect(host, int(port or (PORT_TLS if options.ca else PORT_CLEAR)))
        client.loop_start()
        return client

    def _connected(self, client: Client, *_: object) -> None:
        client.subscribe(f"{self.root}/#", 1)

    def _hear(self, _: Client, __: object, message: MQTTMessage) -> None:
        self.came(message.topic.removeprefix(f"{self.root}/"), bytes(message.payload))

    def came(self, topic: str, payload: bytes) -> None:
        """Take a message, from whatever thread."""
        self._mail.append((topic, payload))

    def check(self, findings: Findings, now_s: float) -> None:
        """Judge what has come since."""
        while self._mail:
            topic, payload = self._mail.pop(0)
            if topic == "status":
                self._status(json.loads(payload), findings, now_s)
            elif topic.startswith("obs/"):
                self._bundle(json.loads(payload))
        for stream, (since_s, below) in list(self._settled.items()):
            if now_s - since_s > LATE_S:
                del self._settled[stream]
                if (here := self._streams[stream]).below < below:
                    findings.fault(f"{stream}: {here.below} is settled, and never came")
                    here.below = below  # said once

    def _bundle(self, bundle: dict[str, Any]) -> None:
        self.observations += len(bundle["observations"])
        self._take(bundle["stream"], [each["seq"] for each in bundle["observations"]])

    def _take(self, stream: str, came: Iterable[int]) -> None:
        if numbers := self._streams.get(stream):
            for number in came:
                numbers.take(number)

    def _status(self, status: dict[str, Any], findings: Findings, now_s: float) -> None:
        self.statuses += 1
        if status["state"] == "offline" and not status["clean"] and self.last:
            findings.say(f"the broker lost the connection of session {status['session']}")
        if "counters" not in status:
            return
        self.last = status
        for law in laws(status["counters"]):
            findings.fault(law)
        for loss in status["dropped"]:
            self._take(loss["stream"], range(loss["from"], loss["to"] + 1))
        for stream in status["streams"]:
            name, below = stream["stream"], stream["settledBelow"]
            self._streams.setdefault(name, Numbers(stream["nextSeq"]))
            if below > self._streams[name].below and name not in self._settled:
                self._settled[name] = now_s, below


def laws(counters: dict[str, int]) -> Iterator[str]:
    """Yield what does not add up."""
    known = Counter(counters)
    refused = sum(count for name, count in counters.items() if name.startswith("refused."))
    heard = refused + sum(known[name] for name in FRAMES)
    if known["heard"] != heard:
        yield f"heard {known['heard']} frames, {heard} are accounted for"
    held = sum(known[name] for name in OBSERVATIONS)
    if known["recovered"] + known["observed"] != held:
        yield f"observed {known['observed']} and recovered {known['recovered']}, not {held}"


class Watch:
    """One run: the console, the platform if there is one, and what they showed."""

    def __init__(self, console: Console, platform: Platform | None, findings: Findings) -> None:
        self.console, self.platform, self.findings = console, platform, findings
        self.readies = self.starts = self.answers = 0
        self.expects_start = False
        self.counters: dict[str, int] = {}
        self.heap = ""

    def look(self) -> None:
        """Take what has come."""
        for line in self.console.lines():
            self._line(line)
        if self.platform is not None:
            self.platform.check(self.findings, time.monotonic())

    def _line(self, line: str) -> None:
        for error in ERRORS:
            if error in line:
                self.findings.fault(line)
        if line.startswith("heap "):
            self.heap = line
        elif line.startswith("This is the gateway "):
            self.answers += 1
        elif said := SAID.match(line):
            self._said(said[1])
        elif line.startswith("! "):
            self.findings.say(line)
        else:
            self.counters.update((name, int(count)) for name, count in COUNTER.findall(line))

    def _said(self, text: str) -> None:
        self.findings.say(text)
        if text.startswith("READY "):
            self.readies += 1
        elif text.startswith("starts "):
            self.starts += 1
            if not self.expects_start:
                self.findings.fault("it started anew by itself")
            self.expects_start = False
        elif text.startswith("trouble "):
            self.findings.fault(text)

    def until(self, limit_s: float) -> None:
        """Look for so long."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            self.look()

    def ready(self) -> None:
        """Wait until the board has a message acknowledged, or answers that it is well."""
        end = time.monotonic() + READY_LIMIT_S
        while not self.readies and time.monotonic() < end:
            self.look()
        if not self.readies:
            self.findings.fault(f"it was not READY within {READY_LIMIT_S:.0f} s")

    def ask(self) -> None:
        """Ask for the status; a board that does not answer hangs."""
        before = self.answers
        self.console.type(f"{KEY}status{KEY}")
        self.until(ANSWERS_S)
        if self.answers == before:
            self.findings.fault("the console does not answer")
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.counters.items()))
        self.findings.say(told or "no counters yet")

    def ask_heap(self) -> None:
        """End the agent and ask what memory is left and ever was; then it starts anew."""
        self.expects_start = True
        self.console.type("\x03")
        self.until(SETTLED_S)
        self.console.type(f"{HEAP}{KEY}")
        self.until(ANSWERS_S)
        self.findings.say(self.heap or "heap: not told")


def run(options: argparse.Namespace, findings: Findings) -> dict[str, Any]:
    """Watch for as long as asked; return what was seen."""
    platform = Platform(options.root) if options.broker else None
    client = platform.connect(options) if platform else None
    watch = Watch(Console(options.port), platform, findings)
    if options.reset:
        watch.expects_start = True
        watch.console.reset()
        watch.ready()
    end = time.monotonic() + options.hours * 3600
    while time.monotonic() < end:
        watch.ask()
        watch.until(min(options.every, max(0.0, end - time.monotonic())))
    if platform is not None:
        watch.until(min(LATE_S, options.every))
        if not platform.observations:
            findings.fault("no observation came")
        if not platform.last:
            findings.fault("no status came")
    if options.heap:
        watch.ask_heap()
    if client is not None:
        client.loop_stop()
    return {
        "hours": options.hours,
        "starts": watch.starts,
        "ready": watch.readies,
        "answers": watch.answers,
        "counters": watch.counters,
        "statuses": platform.statuses if platform else None,
        "observations": platform.observations if platform else None,
        "heap": watch.heap,
        "wrong": findings.wrong,
    }


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.hardware.esp32_board",
        description="Watch a board's console, and what it sends, for hours.",
    )
    parser.add_argument("port", help="its serial port")
    parser.add_argument("--hours", type=float, default=1.0, help="how long (1)")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between questions (60)")
    parser.add_argument("--reset", action="store_true", help="begin by the reset line")
    parser.add_argument("--heap", action="store_true", help="end it at last, and ask for memory")
    parser.add_argument("--broker", metavar="HOST[:PORT]", help="the broker it delivers to")
    parser.add_argument("--root", help="its topics: ugw/v1/<org>/<id>")
    parser.add_argument("--ca", type=Path, help="PEM file of the broker's authority")
    parser.add_argument("--cert", help="PEM file of our own certificate")
    parser.add_argument("--cert-key", help="PEM file of its private key")
    parser.add_argument("--username", help="user at the broker")
    parser.add_argument("--password-file", type=Path, help="file with the password")
    parser.add_argument("--json", type=Path, help="file for what was seen")
    options = parser.parse_args(arguments)
    if options.broker and not options.root:
        parser.error("--broker needs --root")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch, tell, and return the exit code."""
    options = parsed(arguments)
    findings = Findings(sys.stdout)
    seen = run(options, findings)
    if options.json:
        options.json.write_text(json.dumps(seen, indent=2) + "\n")
    findings.say(f"{len(seen['wrong'])} faults" if seen["wrong"] else "nothing wrong")
    return 1 if seen["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
