"""The desk of announcements: what the gateway and its devices are, retained, when it changed.

What the broker has acknowledged in this run is not said again. A device that is listed no longer,
even if that was changed while the agent was off, is taken away: announcement and last values. So
who was announced is remembered in the store, with the properties seen, lest every start announce
less than is known.
"""

import binascii
import logging
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from gateway.backlog import MAX_MEMORY_CHARACTERS
from gateway.bulletin.courier import Ending, Letter
from gateway.bulletin.memory import ANNOUNCED, Memory
from gateway.bulletin.rota import Rota
from gateway.bulletin.seen import Seen
from gateway.config import DeviceSettings, Settings
from gateway.core import terms
from gateway.core.identity import topic_level
from gateway.uplink import meta
from gateway.uplink.state import Key
from gateway.uplink.topics import Topics

log = logging.getLogger(__name__)

EACH_NS: Final = 60_000_000_000  # between two announcements of one device
ALL_NS: Final = 100_000_000
STANDS_BACK_NS: Final = 1_000_000_000  # until it looks again whether there is room
REMEMBER_AFTER_NS: Final = 600_000_000_000  # a property seen for the first time

_TAKEN_AWAY: Final = binascii.crc32(b"")

# What is announced, or taken away: the gateway, a device, a device's last values; topic level.
_Subject = tuple[Literal["gateway", "device", "state"], str]


class _Announced(msgspec.Struct):
    """The remembered word: whom the broker may know, below which root."""

    root: str
    devices: dict[str, list[Key]] = msgspec.field(  # topic level -> properties seen
        default_factory=dict[str, list[Key]]
    )


class Announcements:
    """What is to be told. `begin` comes first; `configure` may follow, under the same root."""

    def __init__(self, software: str, *, memory: Memory, congested: Callable[[], bool]) -> None:
        self.wake: Callable[[], None] = _nobody
        self._software = software
        self._topics = Topics("")
        self._memory = memory
        self._congested = congested
        self._settings: Settings
        self._devices: dict[str, DeviceSettings] = {}  # by topic level
        self._announced = _Announced("")
        self._unsaved_at_ns: int | None = None
        self._rota = Rota[_Subject](each_ns=EACH_NS, all_ns=ALL_NS)
        self._told: dict[_Subject, int] = {}  # CRC-32 of what the broker has
        self._saying: tuple[_Subject, int] | None = None

    # ------------------------------------------------------------------------------ who there is
    def begin(self, settings: Settings, memories: Mapping[str, str]) -> None:
        """Take up what earlier runs have announced, and go on with what is configured."""
        before = _recalled(memories.get(ANNOUNCED))
        if before is not None:
            self._announced = before
            self._topics = Topics(before.root)
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Announce what is configured now, and take away what is not any more."""
        self._settings = settings
        if settings.topic_root != self._topics.root:
            self._begin_anew(settings.topic_root)
        self._devices = {topic_level(settings.urn(each)): each for each in settings.devices}
        self._rota.want(("gateway", ""))
        for level in self._devices:
            self._told.pop(("state", level), None)
            self._rota.want(("device", level))
        known = self._announced.devices
        for level in known.keys() - self._devices.keys():
            self._rota.want(("device", level))
            self._rota.want(("state", level))
        new = self._devices.keys() - known.keys()
        if new:
            known.update((level, []) for level in sorted(new))
            self._save()
        self.wake()

    def _begin_anew(self, root: str) -> None:
        """Go to another root: what was said under the one before is out of our hands."""
        self._topics = Topics(root)
        self._announced = _Announced(root)
        self._told.clear()

    def saw(self, seen: Seen) -> None:
        """Hear that a device has said something for the first time in this run."""
        level = topic_level(seen.device)
        known = self._announced.devices.get(level, [])
        new = [key for key in seen.properties if key not in known]
        if level not in self._devices or not new:
            return
        known += new
        if self._unsaved_at_ns is None:
            self._unsaved_at_ns = seen.heard_at_ns
        if self._rota.want(("device", level)):
            self.wake()

    # ------------------------------------------------------------------------------------ the desk
    def next(self, now_ns: int) -> Letter | None:
        """Return the next announcement that the broker does not have."""
        if self._unsaved_at_ns is not None and now_ns >= self._unsaved_at_ns + REMEMBER_AFTER_NS:
            self._save()
        while not self._congested():
            subject = self._rota.take(now_ns)
            if subject is None:
                break
            if subject[0] == "state" and subject[1] in self._devices:  # it came back meanwhile
                continue
            letter = self._letter(subject)
            revision = binascii.crc32(letter.payload)
            if self._told.get(subject) != revision:
                self._saying = (subject, revision)
                return letter
        return None

    def ended(self, ending: Ending) -> None:
        """Note what the broker has; all else is said again when its turn comes."""
        if self._saying is None:
            return
        (subject, revision), self._saying = self._saying, None
        if ending in {Ending.TOLD, Ending.IMPOSSIBLE}:
            self._told[subject] = revision
            self._forget_if_gone(subject[1])
        else:
            self._rota.want(subject)

    def due_ns(self, now_ns: int) -> int | None:
        """Return when the next has its turn, or what was seen is to be remembered."""
        dues: list[int] = []
        turn = self._rota.due_ns()
        if turn is not None:
            dues.append(max(turn, now_ns + STANDS_BACK_NS) if self._congested() else turn)
        if self._unsaved_at_ns is not None:
            dues.append(self._unsaved_at_ns + REMEMBER_AFTER_NS)
        return min(dues, default=None)

    def finish(self) -> None:
        """Remember what is not yet; at the end."""
        if self._unsaved_at_ns is not None:
            self._save()

    def _letter(self, subject: _Subject) -> Letter:
        what, level = subject
        if what == "gateway":
            payload = meta.gateway(self._settings, self._software)
            return Letter(self._topics.meta, payload, retain=True)
        if what == "state":
            return Letter(self._topics.state(level), b"", retain=True)
        given = self._devices.get(level)
        payload = b""
        if given is not None:
            urn, seen = self._settings.urn(given), self._announced.devices[level]
            payload = meta.device(urn, given, seen)
        return Letter(self._topics.device_meta(level), payload, retain=True)

    # -------------------------------------------------------------------------------------- memory
    def _forget_if_gone(self, level: str) -> None:
        if level not in self._announced.devices or level in self._devices:
            return
        subjects: tuple[_Subject, _Subject] = ("device", level), ("state", level)
        if all(self._told.get(subject) == _TAKEN_AWAY for subject in subjects):
            for subject in subjects:
                del self._told[subject]
                self._rota.forget(subject)
            del self._announced.devices[level]
            self._save()

    def _save(self) -> None:
        self._unsaved_at_ns = None
        self._memory.write(ANNOUNCED, self._word())

    def _word(self) -> str:
        """Write down who was announced: the names before the properties, if it gets too long."""
        word = _written(self._announced)
        if len(word) > MAX_MEMORY_CHARACTERS:
            names = sorted(self._announced.devices)
            word = _written(_Announced(self._topics.root, {name: [] for name in names}))
        if len(word) > MAX_MEMORY_CHARACTERS:  # the configured ones fit: there is a most of them
            names = sorted(self._devices)
            word = _written(_Announced(self._topics.root, {name: [] for name in names}))
        return word


def _written(announced: _Announced) -> str:
    return msgspec.json.encode(announced).decode()


def _recalled(word: str | None) -> _Announced | None:
    """Read the remembered word; one that an other version wrote may be unreadable."""
    if word is None:
        return None
    try:
        announced = msgspec.json.decode(word, type=_Announced)
    except msgspec.MsgspecError as error:
        log.warning("not known who was announced before cause=%r", str(error))
        return None
    announced.devices = {
        level: [key for key in keys if terms.known(key[0])]
        for level, keys in announced.devices.items()
    }
    return announced


def _nobody() -> None:
    """Nobody has hung in yet."""
