"""A board being updated, on CPython: the agent's parts that an update needs, and its broker."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gateway.esp32 import offer, slots, update
from tests.flash.releases import modulus
from ugw_flash.updates.release import Release

TOPIC = "ugw/v1/kiel/_software/"


class Broker:
    """Retained messages, and a board that asks for them over its connection."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.subscribed: list[str] = []
        self.asked: list[str] = []
        self.mail: dict[bool, tuple[bytes, bytes]] = {}
        self.can_send = True
        self.pid = 0

    def keep(self, release: Release) -> None:
        """Keep a release and offer it."""
        for number, piece in enumerate(release.pieces()):
            self.retained[f"{TOPIC}{release.digest}/{number}"] = piece
        self.mail[True] = (b"ugw/v1/kiel/gw-1/update", release.offer)

    def write(self, packet: bytes) -> None:
        """Take SUBSCRIBE and UNSUBSCRIBE, as they are on the wire."""
        at = 3 if packet[1] & 0x80 else 2
        size = packet[1] if at == 2 else packet[1] & 0x7F | packet[2] << 7
        body = packet[at:]
        assert len(body) == size
        assert int.from_bytes(body[:2], "big") == self.pid
        end = 4 + int.from_bytes(body[2:4], "big")
        topic = body[4:end].decode()
        if packet[0] == 0x82:
            assert body[end:] == b"\0"
            self.subscribed.append(topic)
            self.asked.append(topic)
            if topic in self.retained:
                self.mail[False] = (topic.encode(), self.retained[topic])
        else:
            assert packet[0] == 0xA2
            assert body[end:] == b""
            if topic in self.subscribed:
                self.subscribed.remove(topic)


def board(root: Path, running: Release) -> SimpleNamespace:
    """Return an agent that runs a release from slot a."""
    for name, content in {**running.files, "manifest": running.manifest}.items():
        file = root / "a" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (root / "site").mkdir()
    (root / "site" / "update.key").write_bytes(modulus())
    slots.store(str(root), {"slot": "a"})
    return agent(root)


def agent(root: Path) -> SimpleNamespace:
    """Return the agent after a start."""
    broker = Broker()
    clock = SimpleNamespace(ms=0)

    def now() -> int:
        clock.ms += 1
        return int(clock.ms)

    return SimpleNamespace(
        root=str(root),
        site=SimpleNamespace(root="ugw/v1/kiel/gw-1", update=True),
        clock=SimpleNamespace(now=now, ms=clock),
        uplink=broker,
        mail=broker.mail,
        update=None,
    )


def work(agent: Any, turns: int = 50, between: Callable[[], None] | None = None) -> str:  # noqa: ANN401
    """Let it work until it has something to say; empty: it had nothing to say."""
    for _ in range(turns):
        said = asyncio.run((offer if True in agent.mail else update).work(agent))
        if said:
            return str(said)
        if agent.update is None and not agent.mail:
            return ""
        if between is not None:
            between()
    return "never"


def whole(root: Path, slot: str) -> dict[str, bytes]:
    """Return the files of a slot, without its manifest."""
    folder = root / slot
    found = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    found.pop("manifest", None)
    return found


def reset(root: Path) -> None:
    """Forget the idle slot."""
    shutil.rmtree(root / "b", ignore_errors=True)
