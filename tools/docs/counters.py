"""The page of the counters: every number the agent counts has its meaning here."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

import gateway.transport
from gateway.clock import SystemClock
from gateway.core import refusal
from gateway.health import Frames, Health, Observations
from gateway.registry import discover
from gateway.uplink import status
from tools.docs.markup import explained, table
from tools.docs.markup import page as put_together

SOURCE = "gateway/health.py, gateway/core/refusal.py, gateway/transport and tools/docs/counters.py"
HERE = "tools/docs/counters.py"
COLUMNS = ("counter", "meaning")
INTRODUCTION = """\
What the agent counts. The numbers are those of one run: they begin at 0 when it starts, unless
a line says otherwise. Those of frames and observations stand in `counters` of [the
status](schema.md#the-status), under these names.

Two sums hold at every moment ([the laws](../explanation/architecture.md#the-two-laws)); a
number that does not fit into them is a bug worth reporting:

    heard = unlisted + duplicate + limited + coalesced + thinned + unknown
          + refused + empty + waiting + decoded
    recovered + observed = delivered + setAside + dropped + inMemory + inBacklog"""
ON_REFUSALS = """\
By reason; one that never came up is left out. Their sum is `refused` in the law."""
ON_TRANSPORTS = """\
What each transport counts for itself, beside the laws. It is not part of the status."""

FRAMES = {
    "heard": "every advertisement and every LoRa packet, before anything is known of it",
    "unlisted": "of a device that is not in the configuration, or was taken out of it meanwhile",
    "duplicate": "the one before it again, within the repeat window: same content or counter",
    "limited": "above the rate of its device; or a LoRa packet, while the queue of them was full",
    "coalesced": "gave way to a newer advertisement of its device before its turn had come",
    "thinned": "too soon after the routine device's last observation, while the backlog fills",
    "unknown": "of a listed device, in a format no driver knows",
    "refused": "not what it claims to be: see [refused frames](#refused-frames)",
    "empty": "in order, with nothing in it for us",
    "waiting": "admitted and not decoded yet: how many now",
    "decoded": "became an observation",
}
OBSERVATIONS = {
    "recovered": "found in the store at start",
    "observed": "made in this run",
    "delivered": "acknowledged by the broker",
    "setAside": "refused by the broker for good, and kept for inspection",
    "dropped": "given up, and declared as loss ranges",
    "inMemory": "neither acknowledged nor on disk: how many now",
    "inBacklog": "on disk and not acknowledged: how many now",
    "unheard": "delivered, and the broker had nobody who wants them (PUBACK 0x10); beside the law",
    "resent": "published again, not acknowledged at first; beside the law, and not in the status",
}
# Reasons that gateway/core/refusal.py has no comment for.
REFUSALS = {"refused.bad_checksum": "its checksum is wrong"}
TRANSPORTS = {  # folder of gateway/transport: what is counted there
    "ble": {
        "active_instead_of_passive": "scans that were active although passive was configured",
        "advertisements": "heard, strangers' included",
        "failed_polls": "polls that brought nothing; the log and `ugw status` say why",
        "power_cycles": "times the adapter was switched off and on, for it heard nothing",
        "recoveries_held_back": "times that, or the restart, was not possible; the log says why",
        "service_restarts": "times bluetoothd was restarted, for nothing less had helped",
        "forgotten_devices": "strangers that BlueZ was made to forget",
        "poll_timeouts": "of these, the ones that a time limit ended",
        "polls": "connections begun to sensors that are polled",
        "polls_put_off": "polls that waited a second more, for there was no room for more",
        "restarts": "scans after the first",
        "stalls": "scans ended because nothing was heard",
        "start_errors": "scans that could not be started",
        "unclean_stops": "scans that could not be stopped in order",
    },
    "serial": {
        "damaged_bytes": "framing and parity errors the kernel saw: a wrong baud rate, a bad line",
        "failed_chores": "times the modem could not be told to go on receiving",
        "failed_setups": "times the modem did not take its settings",
        "kernel_overruns": "bytes the kernel lost",
        "lapses": "times it answered, but not as one that receives; it was set up again",
        "mute": "times the modem gave no sign of life",
        "nameless_packets": "packets that do not say who sent them: too short, or no uplink",
        "opened": "openings of the port",
        "probes": "times the silent modem was asked for a sign of life",
        "received_bytes": "bytes read from the port",
    },
    "semtech": {
        "bad_datagrams": "no PUSH_DATA and no PULL_DATA of a packet forwarder",
        "bad_json": "PUSH_DATA whose JSON cannot be read",
        "bad_packets": "packets told of without data, or with another size than told",
        "crc_errors": "packets the gateway heard damaged, or without a checksum",
        "flooded": "datagrams and packets beyond what is looked at in a second",
        "no_uplinks": "packets that are no data uplinks: join requests, downlinks, no LoRaWAN",
        "not_allowed": "datagrams of a network or a gateway that `allow` does not name",
        "other_modulation": "packets that are not LoRa",
        "oversized": "datagrams larger than any forwarder sends",
        "pulls": "PULL_DATA answered: forwarders asking for downlinks, which there are none",
        "pushes": "PUSH_DATA answered",
        "too_many_gateways": "datagrams of more gateways than are kept apart",
    },
    "network_server": {
        "bad_events": "messages that are no uplink events of this server",
        "encrypted_events": "uplinks whose payload the server does not decrypt",
        "simulated_events": "uplinks somebody typed in at the server's console",
        "subscribed": "connections made, with all topics granted",
    },
}
MODEMS = {
    "frames": "packets that came whole",
    "bad_frames": "announced as packets, and none",
    "error_lines": "errors the modem reported",
    "stray_replies": "replies nobody had asked for",
    "unknown_lines": "lines that mean nothing to the driver",
    "overlong_lines": "lines longer than any the modem sends",
    "garbage_bytes": "bytes skipped, in whatever of the above",
    "restarts": "starts the modem reported",
}


def page() -> str:
    """Return the page. Raises MissingWordsError for a counter without a meaning."""
    return put_together("Counters", SOURCE, _parts())


def _parts() -> Iterator[str]:
    yield INTRODUCTION
    frames, observations = _counted()
    yield "## Frames"
    yield table(COLUMNS, explained(frames, FRAMES, f"{HERE}, FRAMES"))
    yield "## Refused frames"
    yield ON_REFUSALS
    yield table(COLUMNS, explained(_reasons(), _comments() | REFUSALS, f"{HERE}, REFUSALS"))
    yield "## Observations"
    yield table(COLUMNS, explained(observations, OBSERVATIONS, f"{HERE}, OBSERVATIONS"))
    yield "## Transports"
    yield ON_TRANSPORTS
    for kind, meanings in TRANSPORTS.items():
        yield f"### {kind.replace('_', ' ')}"
        counted = sorted(set(_counted_in(kind)))
        yield table(COLUMNS, explained(counted, meanings, f"{HERE}, TRANSPORTS"))
    yield "### A modem, on top"
    yield table(COLUMNS, explained(_counted_by_modems(), MODEMS, f"{HERE}, MODEMS"))


def _counted() -> tuple[list[str], list[str]]:
    """Return what is counted of frames and of observations, in the status' words and order."""
    told = list(status.counters(Health(SystemClock())))
    told.insert(told.index("empty"), "refused")  # by reason: none has come up yet
    split = told.index("recovered")
    frames, observations = told[:split], told[split:]
    for struct, names in ((Frames, frames), (Observations, observations)):
        names += [n for n in map(_camel, msgspec.structs.fields(struct)) if n not in names]
    return frames, observations


def _camel(field: msgspec.structs.FieldInfo) -> str:
    first, *rest = field.name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _reasons() -> list[str]:
    return [f"refused.{value}" for name, value in vars(refusal).items() if name.isupper()]


def _comments() -> dict[str, str]:
    """Return what gateway/core/refusal.py says of its reasons, in the comments behind them."""
    lines = re.findall(r'^[A-Z_]+ = "(\w+)"  # (.+)$', inspect.getsource(refusal), re.MULTILINE)
    return {f"refused.{reason}": comment for reason, comment in lines}


def _counted_in(kind: str) -> Iterator[str]:
    """Yield what a transport counts by: `count("name")`, `counters["name"]`, `Counter("name")`."""
    for file in (Path(gateway.transport.__path__[0]) / kind).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="count") | ast.Name(id="Counter"),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    yield name
                case ast.Subscript(
                    value=ast.Attribute(attr="counters"), slice=ast.Constant(value=str(name))
                ):
                    yield name
                case _:
                    pass


def _counted_by_modems() -> list[str]:
    """Return the names the modem drivers count by, each once."""
    registry = discover()
    modems = (registry.modem(model).connect() for model in registry.modems())
    return list(dict.fromkeys(name for modem in modems for name in modem.counters))
