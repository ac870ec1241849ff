"""One page for people: a light, what is wrong and what helps, what was heard last.

Rendered on the server, without scripts and without anything from elsewhere; readable on a phone.
Whatever comes from outside (names, causes, values) is escaped where it is put in.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from gateway.web.inside import Inside, Json

REFRESH_S: Final = 10
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_AGES: Final = ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min"), (1, "s"))

_STYLE: Final = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0 auto;padding:1rem;max-width:60rem}
h1{font-size:1.3rem;margin:0 0 .5rem}h2{font-size:1.05rem;margin:1.5rem 0 .3rem}
p{margin:.2rem 0}small{opacity:.75}
.light{border-radius:.5rem;padding:.6rem .8rem;color:#fff;font-weight:600}
.green{background:#1b7a3d}.yellow{background:#8a6100}.red{background:#b3261e}
ul{list-style:none;margin:.5rem 0;padding:0}
li{border-left:.3rem solid;padding:.1rem 0 .1rem .6rem;margin:.4rem 0}
li.yellow{background:none;border-color:#c48a00}li.red{background:none;border-color:#d93025}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-top:1px solid #8886}
th{font-weight:600}td{overflow-wrap:anywhere}
""".strip()
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Nothing but this very style sheet: no script, no picture, no frame, no form.
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_WORDS: Final = {
    "green": "All is well",
    "yellow": "It works, but not as it should",
    "red": "It is in trouble",
}


def render(inside: Inside) -> str:
    """Return the page as HTML."""
    status, sensors = inside.status(), inside.sensors()["sensors"]
    colour = status["light"]
    name = inside.agent.settings.gateway.name or status["status"]["gateway"]
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="refresh" content="{REFRESH_S}">',
            f"<title>{_WORDS[colour]}: {escape(name)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(name)}</h1>",
            f'<p class="light {colour}">{_WORDS[colour]}</p>',
            _list(status["troubles"]),
            *_sections(status, sensors),
            "</body></html>",
        )
    )


# ------------------------------------------------------------------------------------------- parts
def _list(troubles: list[Json]) -> str:
    items = (
        f'<li class="{each["colour"]}">{escape(each["cause"])}'
        + (f"<br><small>{escape(each['remedy'])}</small>" if each["remedy"] else "")
        + "</li>"
        for each in troubles
    )
    return f"<ul>{''.join(items)}</ul>" if troubles else ""


def _sections(status: Json, sensors: list[Json]) -> Iterator[str]:
    told, uplink, backlog = status["status"], status["uplink"], status["status"]["backlog"]
    tls = "TLS" if uplink["tls"] else "without TLS"
    how = f"{tls}, MQTT {uplink['version']}" if uplink["version"] else tls
    where = f"{uplink['host']}:{uplink['port']}, {how}"
    since = "connected" if uplink["connected"] else "not connected"
    counters = told["counters"]
    yield _table(
        "Broker and backlog",
        (
            ("Broker", f"{since} for {_age(uplink['sinceS'])} ({where})"),
            ("Last acknowledgement", _ago(uplink["lastAckAgoS"])),
            ("Waiting", f"{counters['inMemory']} in memory, {counters['inBacklog']} on disk"),
            ("On disk", f"{backlog['bytes']:,} bytes, {told['level']}, {told['storeState']}"),
            ("Delivered", f"{counters['delivered']:,} observations since the start"),
            ("Clock", told["clock"]["state"]),
        ),
    )
    yield _table(
        "Radios",
        (
            (t["name"], f"{t['state']} for {_age(t['sinceS'])} {t['cause']}")
            for t in status["transports"]
        ),
    )
    yield _table(
        "Sensors",
        ((_called(s), f"{_ago(s['lastHeardAgoS'])}: {_said(s['values'])}") for s in sensors),
    )
    process = status["process"]
    yield (
        f"<p><small>{escape(told['software'])}, started {_ago(process['startedAgoS'])}, "
        f"configuration loaded {_ago(status['configuration']['loadedAgoS'])}</small></p>"
    )


def _table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f"<tr><th scope=row>{escape(head)}</th><td>{escape(text)}</td></tr>" for head, text in rows
    )
    return f"<h2>{title}</h2><table>{body or '<tr><td>none</td></tr>'}</table>"


def _called(sensor: Json) -> str:
    return str(sensor["name"] or sensor["device"])


def _said(values: list[Json]) -> str:
    return ", ".join(map(_value, values)) or "nothing yet"


def _value(value: Json) -> str:
    name = value["observedProperty"].replace("_", " ") + (f" {value['channel']}".rstrip())
    unit = "" if value["unit"] == "1" else f" {value['unit']}"
    quality = "" if value["quality"] == "good" else f" ({value['quality']})"
    return f"{name} {value['result']}{unit}{quality}"


def _ago(seconds: int | None) -> str:
    return "never" if seconds is None else f"{_age(seconds)} ago"


def _age(seconds: int | None) -> str:
    """Return a duration as people say it, in its largest unit."""
    if seconds is None:
        return "ever"
    size, unit = next((each for each in _AGES if seconds >= each[0]), (1, "s"))
    return f"{seconds // size} {unit}"
