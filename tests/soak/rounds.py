"""One round of an agent's life: sensors send, and all that it is connected to goes and comes.

Each round is the same as the one before, and ends when nothing is left to do for the agent: what
it holds then is compared with what it held at the end of the others.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.sim.bench import BenchOptions
from gateway.sim.expectations import Judge
from gateway.sim.process.bench import ProcessBench
from gateway.sim.process.mosquitto import HOST
from gateway.sim.sensors import SensorOptions
from gateway.sim.verbs import begin_fault

ROUND_S: Final = 18.0
HANG_GUARD_S: Final = 90.0  # no promise: only the end of a wait that would never end

_BLE: Final = "ble:hci0"
_MODEM: Final = "usb-lora"
_SERIAL: Final = f"serial:{_MODEM}"
_TAGS: Final = 6
_NODES: Final = 2
_EVERY_S: Final = 1.0
_PAGES: Final = ("/", "/metrics", "/status", "/sensors", "/healthz", "/readyz")
_VISITORS: Final = 4  # that ask and go away without waiting for the answer
_PAUSE_S: Final = 1.0
_LOOK_S: Final = 0.5
_WAITS: Final = ("waiting", "inMemory", "inBacklog")
# One after the other, each for so many seconds.
_TROUBLES: Final = (
    ("broker.down", 2.0),
    ("net.cut", 0.5),
    ("broker.freeze", 1.0),
    ("ble.unplug", 1.0),
    ("ble.restart", 0.5),
    ("serial.unplug", 1.0),
    ("serial.reset", 0.5),
)
_SETTINGS: Final = """
http: {{listen: "127.0.0.1:{port}"}}
intake: {{burst: 1000, per_second: 1000}}
clock: {{source: system}}
"""
# Each round lists one more sensor, which never sends, and one less at its end. Either reload has
# the uplink made anew as well, which ends its wait for a broker that was away.
_DEVICES: Final = "devices:\n"
_ONE_MORE: Final = f'{_DEVICES}  - {{address: "lora:77", driver: cayenne-lpp, payload: hex}}\n'
_HOST: Final = f'host: "{HOST}"'
_ANOTHER: Final = f"keepalive: 50s, {_HOST}"


def options(seed: int, port: int, command: tuple[str, ...]) -> BenchOptions:
    """Return a gateway with a few sensors of each kind, its pages on that port."""
    tags = (
        SensorOptions(model=model, address=f"A4:C1:38:00:00:{number:02X}", every_s=_EVERY_S)
        for model, number in zip(("bthome-v2", "ruuvi-rawv2") * _TAGS, range(_TAGS), strict=False)
    )
    nodes = (
        SensorOptions(model="cayenne-lpp", address=f"lora:{number + 1}", every_s=_EVERY_S)
        for number in range(_NODES)
    )
    return BenchOptions(
        seed=seed,
        sensors=(*tags, *nodes),
        modems={_MODEM: "reyax-rylr998"},
        settings=_SETTINGS.format(port=port),
        broker="mosquitto",
        command=command,
    )


class Life:
    """An agent on a bench, round by round."""

    def __init__(self, bench: ProcessBench, judge: Judge, port: int) -> None:
        self.bench = bench
        self.judge = judge
        self.rounds = 0
        self._port = port

    async def round(self) -> None:
        """Play one round, to the moment at which the agent has nothing left to do."""
        sending = asyncio.create_task(self.bench.run(ROUND_S), name="sensors")
        await self._reload(_DEVICES, _ONE_MORE)
        for name, lasts_s in _TROUBLES:
            await self._trouble(name, lasts_s)
            await self._visit()
        await self._reload(_ONE_MORE, _DEVICES)
        await sending
        self.rounds += 1
        await self._rest()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as it holds. Raises TimeoutError with what the agent said last."""
        try:
            await self.bench.until(condition, within_s=HANG_GUARD_S)
        except TimeoutError:
            said = "\n".join(self.bench.gateway.log.splitlines()[-20:])
            message = f"round {self.rounds}: it did not come about; it said:\n{said}"
            raise TimeoutError(message) from None

    async def _trouble(self, name: str, lasts_s: float) -> None:
        await asyncio.sleep(_PAUSE_S)
        async with begin_fault(self.bench, name):
            await asyncio.sleep(lasts_s)

    async def _visit(self) -> None:
        """Ask for every page, and leave some questions half asked."""
        for page in _PAGES:
            answer = await _get(self._port, page)
            assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")), answer[:200]
        for _ in range(_VISITORS):
            _, writer = await asyncio.open_connection(HOST, self._port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: local")
            writer.close()
            await writer.wait_closed()

    async def _reload(self, before: str, after: str) -> None:
        """List one more sensor, or one less; have the uplink made anew."""
        config, gateway = self.bench.config, self.bench.gateway
        text = config.read_text()
        there, here = (_HOST, _ANOTHER) if _ANOTHER not in text else (_ANOTHER, _HOST)
        config.write_text(text.replace(before, after).replace(there, here))
        reloads = gateway.log.count("configuration reloaded")
        gateway.send_signal(signal.SIGHUP)
        await self.until(lambda: gateway.log.count("configuration reloaded") > reloads)

    async def _rest(self) -> None:
        """Wait until everything is up again and nothing waits, as its own page says."""
        why = "it did not answer"
        try:
            async with asyncio.timeout(HANG_GUARD_S):
                while why := await self._unrest():  # noqa: ASYNC110 - a page sets no event
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            message = f"round {self.rounds}: it did not come to rest: {why}"
            raise TimeoutError(message) from None
        self.judge.read()

    async def _unrest(self) -> str:
        """Return what it has still to do; empty: nothing. Both laws hold at any moment."""
        answer = await _get(self._port, "/status")
        body: Any = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
        assert not any(body["laws"].values()), body["laws"]
        counters = body["status"]["counters"]
        waits = {name: counters[name] for name in _WAITS if counters[name]}
        down = [one["name"] for one in body["status"]["transports"] if one["state"] != "up"]
        links = [] if body["uplink"]["connected"] else ["uplink"]
        return str(waits or down or links or "")


async def _get(port: int, page: str) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(f"GET {page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def life(bench: ProcessBench, port: int) -> AsyncGenerator[Life]:
    """Start the agent; its life ends in order, or that is an error."""
    async with bench:
        lives = Life(bench, Judge(bench), port)
        await bench.gateway.start()
        awaited = [f"transport {name} is up" for name in (_BLE, _SERIAL)]
        await lives.until(lambda: all(words in bench.gateway.log for words in awaited))
        yield lives
        assert await bench.gateway.stop() == 0, bench.gateway.log[-2000:]


def store_bytes(folder: Path) -> tuple[int, int]:
    """Return what the files of a store take, and what of its log that SQLite writes ahead."""
    sizes = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    log = sum(size for name, size in sizes.items() if name.endswith("-wal"))
    return sum(sizes.values()) - log, log
