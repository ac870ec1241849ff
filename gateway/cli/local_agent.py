"""The agent that runs on this machine, asked over HTTP; what it answers is checked on the way in.

Nothing here changes anything. No agent there is an AgentAwayError with the next step in it.
"""

import http.client
from typing import Any, Final, Literal, TypeVar

import msgspec

from gateway.cli.preflight.store import agent_runs
from gateway.config import Whereabouts
from gateway.errors import UgwError

_LIMIT_S: Final = 5.0
_MOST_BYTES: Final = 32_000_000  # of an answer: ten thousand sensors take about ten
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not to listen
_UNAUTHORIZED: Final = 401

Answer = TypeVar("Answer", bound=msgspec.Struct)


class AgentAwayError(UgwError):
    """There is no agent to ask, or it cannot be asked."""


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    """A part of an answer: known fields are checked, others are left alone."""


class Clock(_Part, frozen=True):
    """Whether wall time is believed."""

    state: str


class Backlog(_Part, frozen=True):
    """What waits on disk."""

    bundles: int
    observations: int
    bytes: int
    oldest_age_s: float | None = None


class SetAside(_Part, frozen=True):
    """What the broker will never take."""

    bundles: int
    bytes: int


class Stream(_Part, frozen=True):
    """A stream of this run: below `settled_below` every number is settled."""

    settled_below: int


class Published(_Part, frozen=True):
    """The parts of `ugw.status/1` that people are shown."""

    org: str
    gateway: str
    software: str
    clock: Clock
    level: str
    store_state: str
    guarantee: str
    backlog: Backlog
    set_aside: SetAside
    dropped: list[Any]
    counters: dict[str, int]
    streams: list[Stream] = []


class Uplink(_Part, frozen=True):
    """How it stands with the broker."""

    connected: bool
    since_s: float | None
    cause: str
    remedy: str
    host: str
    port: int
    tls: bool
    version: str
    in_flight: int
    window: int
    last_ack_ago_s: float | None
    unheard: list[str] = []


class Store(_Part, frozen=True):
    """Why the store fails, or gives up the old for the new; empty while it does neither."""

    cause: str = ""
    remedy: str = ""


class Unread(_Part, frozen=True):
    """A sensor that is to be connected to, and why it cannot be read now."""

    device: str
    cause: str


class Reload(_Part, frozen=True):
    """What became of the last reload."""

    ago_s: float
    ok: bool
    cause: str


class Configuration(_Part, frozen=True):
    """What the agent was configured with."""

    path: str
    loaded_ago_s: float
    last_reload: Reload | None


class Radio(_Part, frozen=True):
    """A source of frames."""

    name: str
    state: str
    since_s: float
    cause: str


class Laws(_Part, frozen=True):
    """By how much each law is off."""

    frames: int
    observations: int


class Trouble(_Part, frozen=True):
    """What is wrong, how bad it is ("yellow", "red"), and what helps."""

    colour: str
    cause: str
    remedy: str


class Process(_Part, frozen=True):
    """The process itself."""

    pid: int
    started_ago_s: float
    memory_bytes: int


class Status(_Part, frozen=True):
    """The answer to `/status`."""

    status: Published
    uplink: Uplink
    configuration: Configuration
    transports: list[Radio]
    laws: Laws
    process: Process
    light: Literal["green", "yellow", "red"]
    troubles: list[Trouble]
    store: Store = Store()
    unread: list[Unread] = []


class Value(_Part, frozen=True):
    """The newest value of one property."""

    observed_property: str
    channel: str
    result: float | int | bool | str | None
    unit: str
    quality: str
    flags: list[str]


class Sensor(_Part, frozen=True):
    """A listed device."""

    device: str
    name: str
    address: str
    driver: str | None
    medium: str
    klass: str = msgspec.field(name="class")
    expected_interval_s: float | None = None
    last_heard_ago_s: float | None = None
    silent: bool = False
    rssi: int | None = None
    snr: float | None = None
    spreading_factor: int | None = None
    observations: int = 0
    values: list[Value] = []


class Sensors(_Part, frozen=True):
    """The answer to `/sensors`."""

    sensors: list[Sensor]


def ask(where: Whereabouts, path: str, kind: type[Answer]) -> tuple[Answer, Any]:
    """Ask the agent that is there; return its answer checked, and as it came.

    Raises AgentAwayError.
    """
    if not where.http.enabled:
        cause = "http.enabled is false: the agent answers nobody"
        raise AgentAwayError(cause, "set it to true, and restart the agent")
    body = _get(where, path)
    try:
        return msgspec.json.decode(body, type=kind), msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        cause = f"what answers at {where.http.listen} is no agent of this version: {error}"
        raise AgentAwayError(cause, "restart the agent, if ugw was updated") from None


def _get(where: Whereabouts, path: str) -> bytes:
    host, _, port = where.http.listen.rpartition(":")
    host = host.strip("[]")
    connection = http.client.HTTPConnection(_ANYWHERE.get(host, host), int(port), timeout=_LIMIT_S)
    token = where.http.token
    headers = {"Authorization": f"Bearer {token.reveal()}"} if token is not None else {}
    try:
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            status, body = response.status, response.read(_MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise _away(where, error) from None
    finally:
        connection.close()
    if status != http.client.OK or len(body) > _MOST_BYTES:
        raise _refused(where, status, body)
    return body


def _away(asked: Whereabouts, error: Exception) -> AgentAwayError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    where = f"{asked.http.listen}: {reason}"
    if agent_runs(asked.store.path):
        cause = f"an agent is running, but does not answer at {where}"
        return AgentAwayError(cause, "its log says why: journalctl --unit ugw")
    cause = f"no agent is running ({where})"
    return AgentAwayError(cause, "systemctl start ugw, or see why not: ugw check")


class _Error(msgspec.Struct, frozen=True):
    error: str
    remedy: str = ""


def _refused(asked: Whereabouts, status: int, body: bytes) -> AgentAwayError:
    where = asked.http.listen
    try:
        said = msgspec.json.decode(body, type=_Error)
    except msgspec.DecodeError:
        return AgentAwayError(f"what answers at {where} is no agent: HTTP status {status}")
    if status == _UNAUTHORIZED:
        remedy = "http.token here must be the one the agent was started with: reload it"
        return AgentAwayError(f"the agent at {where} refuses the token", remedy)
    return AgentAwayError(f"the agent at {where} refuses: {said.error}", said.remedy)
