"""A message of a document, rendered anew by the code that renders messages.

What is read from the message is handed to the renderer in its own terms; so a document that shows
what the gateway would not send does not come out as it went in.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from gateway.clock import ClockReading, ClockState
from gateway.config import DeviceSettings, Settings
from gateway.core import wire
from gateway.model import Level, Loss, Moment, PreviousStream, Result, TransportState
from gateway.uplink import event, meta, state, status
from gateway.uplink.event import Event
from gateway.uplink.state import Timing
from gateway.uplink.status import (
    BacklogStatus,
    Identity,
    SetAsideStatus,
    Standing,
    StatusReport,
    StreamStatus,
    TransportStatus,
)

Json = dict[str, Any]

_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00Z")
_NS_PER_MS: Final = 1_000_000
_EVENT_HEAD: Final = {"schema", "org", "gateway", "sentTime", "boot", "uptimeMs", "kind"}
_SAME_IN_CONFIGURATION: Final = (
    "name",
    "driver",
    "model",
    "manufacturer",
    "firmware",
    "site",
    "class",
)
_ONLY_CONFIGURED: Final = {"statistic", "periodS", "calibration"}  # the rest is heard
_STATE_HEAD: Final = {"device", "time", "timeQuality", "rssi"}


def as_sent(message: Json) -> str:
    """Return a message, read with its decimals exact, as the gateway would send it."""
    return _RENDERERS[message.get("schema", "state")](message)


def _unix_ms(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def _optional_ms(message: Json, field: str) -> int | None:
    return _unix_ms(message[field]) if field in message else None


# ------------------------------------------------------------------------------------ observations
def _bundle(message: Json) -> str:
    clock = message["clock"]
    head = wire.bundle_head(
        message["org"],
        message["gateway"],
        message["stream"],
        message["class"],
        clock["state"],
        clock.get("maxErrorMs"),
    )
    return wire.bundle(head, [_observation(each) for each in message["observations"]])


def _observation(each: Json) -> str:
    if each["timeQuality"] == "unknown":
        time = wire.time_unknown(each["boot"], each["uptimeMs"])
    else:
        time = wire.time_exact(_unix_ms(each["phenomenonTime"]), each["timeQuality"])
    link = each["link"]
    snr = None if "snr" not in link else float(link["snr"])
    text = wire.link(
        link["medium"],
        link.get("rssi"),
        snr,
        link.get("frameCounter"),
        link.get("copies", 1),
        link.get("spreadingFactor"),
        link.get("frequencyHz"),
    )
    tail = wire.observation_tail(tuple(_judged(result) for result in each["results"]), text)
    return wire.observation_head(each["seq"], each["device"]) + time + tail


def _judged(result: Json) -> Result:
    value, scale = _scaled(result["result"])
    flags = tuple(result.get("flags", ()))
    channel, quality = result.get("channel", ""), result.get("quality", "")
    return (result["observedProperty"], value, scale, channel, quality, flags)


def _scaled(value: object) -> tuple[Any, int]:
    if not isinstance(value, Decimal):
        return value, 0
    scale = -int(value.as_tuple().exponent)
    return int(value.scaleb(scale)), scale


# ------------------------------------------------------------------------------------------ status
def _status(message: Json) -> str:
    identity = _identity(message)
    if "boot" not in message:
        return status.will(identity, message["session"]).decode()
    render = status.offline if message["state"] == "offline" else status.online
    standing = Standing(message["session"], message["guarantee"])
    return render(identity, standing, _report(message)).decode()


def _identity(message: Json) -> Identity:
    software = message.get("software", "")
    return Identity(org=message["org"], gateway=message["gateway"], software=software)


def _report(message: Json) -> StatusReport:
    clock = message["clock"]
    return StatusReport(
        boot=message["boot"],
        boot_ns=message["uptimeMs"] * _NS_PER_MS,
        wall_ns=(_optional_ms(message, "sentTime") or 0) * _NS_PER_MS,
        clock=ClockReading(ClockState(clock["state"]), clock.get("maxErrorMs")),
        clock_source=clock["source"],
        streams=tuple(
            StreamStatus(
                id=s["stream"],
                klass=s["class"],
                next_seq=s["nextSeq"],
                settled_below=s["settledBelow"],
            )
            for s in message["streams"]
        ),
        previous=tuple(_previous(each) for each in message["previous"]),
        dropped=tuple(_loss(each) for each in message["dropped"]),
        level=Level(message["level"]),
        store_state=message["storeState"],
        backlog=_backlog(message["backlog"]),
        set_aside=SetAsideStatus(
            bundles=message["setAside"]["bundles"], bytes_used=message["setAside"]["bytes"]
        ),
        transports=tuple(_transport(each) for each in message["transports"]),
        counters=message["counters"],
    )


def _previous(given: Json) -> PreviousStream:
    return PreviousStream(
        given["stream"], given["class"], given["end"] == "clean", given["nextSeq"]
    )


def _loss(given: Json) -> Loss:
    at_ms = _optional_ms(given, "at")
    # Of a boot nobody knows any more, unless its wall time was known then.
    at = Moment("", 0) if at_ms is None else Moment("", at_ms * _NS_PER_MS, 0)
    return Loss(given["stream"], given["from"], given["to"], given["reason"], at)


def _backlog(given: Json) -> BacklogStatus:
    return BacklogStatus(
        bundles=given["bundles"],
        observations=given["observations"],
        bytes_used=given["bytes"],
        oldest_age_s=given.get("oldestAgeS"),
    )


def _transport(given: Json) -> TransportStatus:
    return TransportStatus(
        name=given["name"],
        kind=given["kind"],
        state=TransportState(given["state"]),
        since_s=given["sinceS"],
        cause=given.get("cause", ""),
    )


# ------------------------------------------------------------------------------ the other messages
def _event(message: Json) -> str:
    fields: dict[str, object] = {k: v for k, v in message.items() if k not in _EVENT_HEAD}
    if "previous" in fields:
        fields["previous"] = event.previous(_previous(each) for each in message["previous"])
    at = Moment(message["boot"], message["uptimeMs"] * _NS_PER_MS)
    happened = Event(message["kind"], tuple(fields.items()), at)
    return event.render(_identity(message), happened, _optional_ms(message, "sentTime")).decode()


def _gateway(message: Json) -> str:
    given = {
        "config_version": 1,
        "gateway": {
            "org": message["org"],
            "id": message["gateway"],
            **_configured(message, {"name": "name", "hardware": "hardware"}),
        },
        "mqtt": {"host": "localhost"},
        "transports": [_configured_transport(each) for each in message["transports"]],
        "devices": [{"address": f"C0:FF:EE:00:00:{n:02X}"} for n in range(message["devices"])],
    }
    return meta.gateway(Settings.model_validate(given), message["software"]).decode()


def _configured_transport(given: Json) -> Json:
    kind, _, name = given["name"].partition(":")
    where = {"adapter": name} if kind == "ble" else {"device": f"/dev/{name}", "modem": "rylr998"}
    return {"kind": given["kind"], **where}


def _device(message: Json) -> str:
    lora = message["medium"] == "lora"
    listed: list[Json] = message.get("properties", [])
    given = {
        "address": "lora:7" if lora else "C0:FF:EE:00:00:01",
        **_configured(message, {name: name for name in _SAME_IN_CONFIGURATION}),
        "properties": [_property(each) for each in listed if each.keys() & _ONLY_CONFIGURED],
    }
    if "expectedIntervalS" in message:
        given["expected_interval"] = _duration(message["expectedIntervalS"])
    seen = [(each["observedProperty"], each.get("channel", "")) for each in listed]
    return meta.device(message["device"], DeviceSettings.model_validate(given), seen).decode()


def _configured(message: Json, names: Mapping[str, str]) -> Json:
    found = {key: message[field] for field, key in names.items() if field in message}
    if "location" in message:
        keys = {"altM": "alt_m", "heightAboveGroundM": "height_above_ground_m"}
        where = message["location"].items()
        found["location"] = {keys.get(name, name): float(value) for name, value in where}
    return found


def _property(given: Json) -> Json:
    names = {
        "observedProperty": "observed_property",
        "channel": "channel",
        "statistic": "statistic",
        "calibration": "calibration",
    }
    found = {key: given[field] for field, key in names.items() if field in given}
    if "periodS" in given:
        found["period"] = _duration(given["periodS"])
    return found


def _duration(seconds: Decimal | int) -> str:
    return f"{int(seconds * 1000)}ms"


def _state(message: Json) -> str:
    values = {k: v for k, v in message.items() if k not in _STATE_HEAD}
    results: dict[tuple[str, str], Result] = {}
    for key, given in values.items():
        name, _, channel = key.partition(".")
        value, scale = _scaled(given)
        quality = "missing" if given is None else ""
        results[name, channel] = (name, value, scale, channel, quality, ())
    timing = Timing(message["timeQuality"], _optional_ms(message, "time"))
    return state.render(message["device"], timing, message.get("rssi"), results).decode()


_RENDERERS: Final[Mapping[str, Callable[[Json], str]]] = {
    "ugw.observations/1": _bundle,
    "ugw.status/1": _status,
    "ugw.event/1": _event,
    "ugw.gateway/1": _gateway,
    "ugw.device/1": _device,
    "state": _state,
}
