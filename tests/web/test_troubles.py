"""One judge for the page and for `ugw status`: each sign has its colour, cause and remedy."""

from typing import Any

import pytest

from gateway.health import UNHEARD_NS, Audience
from gateway.model import Lane
from gateway.web.troubles import light, troubles

Json = dict[str, Any]
NS = 1_000_000_000


def status(**parts: Any) -> Json:  # noqa: ANN401 - whatever a test wants otherwise
    """Return the status of a gateway that is well; parts are put into it."""
    answer: Json = {
        "status": {
            "clock": {"state": "synced"},
            "level": "normal",
            "storeState": "ok",
            "guarantee": "full",
            "setAside": {"bundles": 0, "bytes": 0},
        },
        "uplink": {
            "connected": True,
            "cause": "",
            "remedy": "",
            "unheard": [],
            "certificateDays": 21,
        },
        "transports": [{"name": "ble:hci0", "state": "up", "cause": ""}],
        "laws": {"frames": 0, "observations": 0},
        "health": {"ok": True, "stuck": []},
        "ready": {"ok": True, "reasons": []},
        "drivers": [],
        "silent": [],
        "unread": [],
    }
    for path, value in parts.items():
        *way, last = path.split("__")
        part = answer
        for name in way:
            part = part[name]
        part[last] = value
    return answer


def not_ready(what: str) -> Json:
    return {"ok": False, "reasons": [{"what": what, "cause": "a cause", "remedy": "a remedy"}]}


DEAF = {"name": "ble:hci0", "state": "deaf", "cause": "no advertisement"}
BROKEN = {"name": "mine", "file": "/m.py", "line": 3, "reason": "bad"}
LAMP = {"device": "ugw:kiel:lamp", "name": "Lamp"}
UNREAD = {"device": "ugw:kiel:pot", "name": "Pot", "cause": "it is not heard"}


def test_what_is_well_has_a_green_light() -> None:
    assert light(troubles(status())) == "green"


@pytest.mark.parametrize(
    ("parts", "colour", "words"),
    [
        ({"health": {"ok": False, "stuck": ["keep"]}}, "red", "the task keep gives no sign"),
        ({"laws__frames": 1}, "red", "the sum of frames is wrong by 1"),
        ({"ready": not_ready("store")}, "red", "a cause"),
        ({"ready": not_ready("configuration")}, "red", "a cause"),
        ({"ready": not_ready("sources")}, "red", "a cause"),
        ({"uplink__connected": False}, "yellow", "the broker is not connected"),
        ({"status__guarantee": "reduced"}, "yellow", "MQTT 3.1.1"),
        ({"uplink__unheard": ["live"]}, "yellow", "has nobody for what is sent on obs/live"),
        ({"uplink__certificateDays": 20}, "yellow", "certificate expires in 20 days"),
        ({"uplink__certificateDays": -2}, "yellow", "certificate has expired 2 days ago"),
        ({"status__setAside": {"bundles": 3, "bytes": 9}}, "yellow", "refused 3 bundles for good"),
        ({"status__level": "elevated"}, "yellow", "one observation a minute"),
        ({"status__level": "full"}, "yellow", "in ten minutes"),
        ({"status__storeState": "quarantined"}, "yellow", "the store is quarantined"),
        ({"transports": [DEAF]}, "yellow", "ble:hci0 is deaf: no advertisement"),
        ({"drivers": [BROKEN]}, "yellow", "driver mine is not used: /m.py:3: bad"),
        ({"silent": [LAMP]}, "yellow", "Lamp is silent"),
        ({"unread": [UNREAD]}, "yellow", "Pot cannot be read: it is not heard"),
        ({"status__clock": {"state": "unsynced"}}, "yellow", "the clock is not synchronised"),
    ],
)
def test_each_sign_has_its_colour_and_says_what_it_is(
    parts: Json, colour: str, words: str
) -> None:
    (found,) = troubles(status(**parts))
    assert found.colour == colour
    assert words in found.cause
    assert light([found]) == colour


def test_the_worst_comes_first() -> None:
    found = list(troubles(status(silent=[LAMP], ready=not_ready("store"))))
    assert [each.colour for each in found] == ["red", "yellow"]
    assert light(found) == "red"


def test_a_lane_nobody_heard_is_believed_mended_once_somebody_hears() -> None:
    audience = Audience()
    audience.missed(Lane.REPLAY, 1)
    audience.missed(Lane.LIVE, 2)
    assert audience.missing(10 * UNHEARD_NS) == ["live", "replay"], "nobody has heard since"
    audience.reached(Lane.LIVE, 3)
    assert audience.missing(UNHEARD_NS) == ["replay"], "perhaps only live was mended"
    assert audience.missing(UNHEARD_NS + 1) == []
    audience.missed(Lane.LIVE, UNHEARD_NS)
    audience.reached(Lane.LIVE, UNHEARD_NS)
    assert audience.missing(UNHEARD_NS + 1) == []
