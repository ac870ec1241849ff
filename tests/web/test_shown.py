"""What is shown: health, readiness, status, sensors, metrics, and the page for people."""

import asyncio
import base64
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.health import StoreHealth
from gateway.model import Frame, Lane, TransportState
from gateway.reload import Outcome
from gateway.uplink import status
from gateway.vitals import STUCK_AFTER_S
from gateway.web import page
from gateway.web.metrics import METRICS
from tests.brokers import strict_run
from tests.web.places import Place, place

NS = 1_000_000_000
ADDRESS = "C0:FF:EE:00:00:01"
# BTHome v2: packet id 7, battery 97 %, temperature 21.34 Cel, humidity 54.2 %
BTHOME = (0x16, 0xFCD2, bytes.fromhex("4000070161025608032c15"))


def hear(here: Place, *structures: tuple[int, int, bytes]) -> None:
    """Let the agent hear a listed sensor, and decode what it says."""
    pipeline = here.agent.pipeline
    at_ns = pipeline.admits(ADDRESS, structures, -71)
    assert at_ns is not None
    pipeline.hear(
        Frame(
            medium="ble",
            source="ble:hci0",
            address=ADDRESS,
            heard_at_ns=at_ns,
            content=structures,
            structures=structures,
            rssi_dbm=-71,
        )
    )
    pipeline.work(1)


def source_is(here: Place, state: TransportState, cause: str = "") -> None:
    here.agent.health.transport("ble:hci0", "ble")
    here.agent.health.report("ble:hci0", state, cause)


# ------------------------------------------------------------------------------------------ health
def test_healthz_names_the_task_that_gives_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            answer = await here.ask("/healthz")
            assert (answer.status, answer.json) == (200, {"ok": True, "stuck": []})
            vitals = here.agent.health.vitals
            before = here.agent.clock.boot_ns() - int((STUCK_AFTER_S + 1) * NS)
            monkeypatch.setattr(vitals.pulse("keep"), "beat_at_ns", before)
            answer = await here.ask("/healthz")
            assert (answer.status, answer.json) == (503, {"ok": False, "stuck": ["keep"]})

    strict_run(scene())


def test_ready_is_who_can_write_was_configured_well_and_hears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reasons(here: Place) -> list[str]:
        answer = await here.ask("/readyz")
        assert answer.status == (200 if answer.json["ok"] else 503)
        assert all(reason["cause"] and reason["remedy"] for reason in answer.json["reasons"])
        return [reason["what"] for reason in answer.json["reasons"]]

    async def scene() -> None:
        async with place(tmp_path) as here:
            assert await reasons(here) == ["sources"]
            source_is(here, TransportState.DEAF, "no advertisement")
            assert await reasons(here) == ["sources"]
            source_is(here, TransportState.UP)
            assert await reasons(here) == []
            here.inside.reloader.last = Outcome(at_ns=1, ok=False, cause="gateway.yaml:3:1: no")
            assert await reasons(here) == ["configuration"]
            here.inside.reloader.last = None
            monkeypatch.setattr(here.agent.health, "store", StoreHealth("no room", "make some", 1))
            assert await reasons(here) == ["store"]
            monkeypatch.setattr(here.agent.health, "store", StoreHealth())
            monkeypatch.setattr(type(here.agent.delivery.keeper), "state", "memory-only")
            assert await reasons(here) == ["store"]

    strict_run(scene())


# ------------------------------------------------------------------------------------------ status
def test_status_holds_the_very_document_that_is_published(tmp_path: Path) -> None:
    async def scene() -> dict[str, Any]:
        async with place(tmp_path) as here:
            source_is(here, TransportState.UP)
            here.agent.health.transports["ble:hci0"].count("advertisements", 3)
            here.agent.health.frames.refuse("bad_mic")
            here.agent.health.frames.heard += 1
            here.agent.health.refusals[0x87] = 2
            shown: dict[str, Any] = (await here.ask("/status")).json
            standing = status.Standing(shown["uplink"]["session"], "full")
            published = status.online(here.agent.identity, standing, here.agent.report())
            assert list(shown["status"]) == [
                name for name in _keys(published) if name in shown["status"]
            ]
            assert set(shown["status"]) == set(_keys(published))
            return shown

    shown = strict_run(scene())
    assert shown["schema"] == "ugw.local-status/1"
    assert shown["uplink"]["host"] == "127.0.0.1"
    assert shown["configuration"]["path"] == "/etc/ugw/gateway.yaml"
    assert shown["configuration"]["lastReload"] is None
    assert shown["refusals"] == {"frames": {"bad_mic": 1}, "puback": {"0x87": 2}}
    assert shown["transports"][0]["counters"] == {"advertisements": 3}
    assert shown["laws"] == {"frames": 0, "observations": 0}
    assert shown["process"]["memoryBytes"] > 10_000_000


def _keys(document: bytes) -> list[str]:
    return list(json.loads(document))


def test_a_refused_reload_is_shown_with_every_finding(tmp_path: Path) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            now = here.agent.clock.boot_ns()
            cause = "gateway.yaml:3:1: unknown key\ngateway.yaml:9:4: not a number"
            here.inside.reloader.last = Outcome(at_ns=now, ok=False, cause=cause)
            told = (await here.ask("/status")).json["configuration"]["lastReload"]
            assert (told["ok"], told["cause"], told["changed"]) == (False, cause, [])
            shown = (await here.ask("/")).body.decode()
            assert "unknown key" in shown
            assert "not a number" in shown

    strict_run(scene())


# ----------------------------------------------------------------------------------------- sensors
def test_sensors_are_shown_as_listed_with_what_they_said_last(tmp_path: Path) -> None:
    async def scene() -> list[dict[str, Any]]:
        async with place(tmp_path) as here:
            hear(here, BTHOME)
            told: list[dict[str, Any]] = (await here.ask("/sensors")).json["sensors"]
            return told

    first, second = strict_run(scene())
    assert first["device"] == "urn:dev:mac:c0ffeefffe000001"
    assert (first["name"], first["address"]) == ("roof", ADDRESS)
    assert (first["driver"], first["medium"], first["class"]) == ("bthome-v2", "ble", "routine")
    assert (first["expectedIntervalS"], first["lastHeardAgoS"]) == (60, 0)
    assert (first["rssi"], first["observations"], first["silent"]) == (-71, 1, False)
    temperature = next(
        each for each in first["values"] if each["observedProperty"] == "air_temperature"
    )
    assert temperature["unit"] == "Cel"
    assert temperature["quality"] == "good"
    assert isinstance(temperature["result"], float)
    assert (second["address"], second["driver"]) == ("lora:17", "cayenne-lpp")
    assert (second["lastHeardAgoS"], second["values"], second["rssi"]) == (None, [], None)


# ----------------------------------------------------------------------------------------- metrics
def test_every_metric_is_served_under_its_name_with_its_meaning(tmp_path: Path) -> None:
    async def scene() -> str:
        async with place(tmp_path) as here:
            hear(here, BTHOME)
            source_is(here, TransportState.UP)
            answer = await here.ask("/metrics")
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            return answer.body.decode()

    text = strict_run(scene())
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {metric.name.removesuffix("_total") for metric in METRICS}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.kind
        assert family.documentation == metric.help
        assert (metric.kind == "counter") == metric.name.endswith("_total")


def test_the_laws_can_be_summed_from_the_metrics(tmp_path: Path) -> None:
    async def scene() -> str:
        async with place(tmp_path) as here:
            hear(here, BTHOME)
            here.agent.pipeline.admits("D0:00:00:00:00:01", (), -80)
            hear(here, (0x16, 0xFCD2, bytes.fromhex("40000801")))
            return (await here.ask("/metrics")).body.decode()

    values: dict[str, float] = {}
    for family in text_string_to_metric_families(strict_run(scene())):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0) + sample.value
    frames = ("ugw_frames_total", "ugw_frames_refused_total", "ugw_frames_waiting")
    assert values["ugw_frames_heard_total"] == 3
    assert sum(values.get(name, 0) for name in frames) == 3
    observations = ("total", "in_memory", "in_backlog")
    assert values["ugw_observations_observed_total"] >= 1
    assert sum(values[f"ugw_observations_{name}"] for name in observations) == (
        values["ugw_observations_recovered_total"] + values["ugw_observations_observed_total"]
    )


def test_no_metric_says_who_was_heard(tmp_path: Path) -> None:
    async def scene() -> str:
        async with place(tmp_path) as here:
            hear(here, BTHOME)
            return (await here.ask("/metrics")).body.decode().lower()

    text = strict_run(scene())
    for private in ("c0:ff:ee", "c0ffee", "lora:17", "roof", "lora-17"):
        assert private not in text


# ---------------------------------------------------------------------------------------- the page
class _Page(HTMLParser):
    """Reads the page as a browser does."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
        else:
            self.text += data


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>&amp;'"


def test_whatever_people_and_brokers_say_is_text_on_the_page(tmp_path: Path) -> None:
    async def scene() -> str:
        async with place(tmp_path, name=HOSTILE, device=HOSTILE) as here:
            source_is(here, TransportState.DOWN, HOSTILE)
            here.agent.health.uplink.cause = HOSTILE
            here.agent.health.uplink.remedy = HOSTILE
            here.inside.reloader.last = Outcome(at_ns=1, ok=False, cause=HOSTILE)
            return (await here.ask("/")).body.decode()

    text = strict_run(scene())
    shown = _Page(text)
    assert not {tag for tag, _ in shown.tags} & {"script", "img", "link", "iframe", "form", "a"}
    assert not [name for _, given in shown.tags for name in given if name.startswith("on")]
    assert shown.text.count(HOSTILE) >= 6


def test_the_page_needs_nothing_from_elsewhere_and_refreshes_itself(tmp_path: Path) -> None:
    async def scene() -> tuple[str, str]:
        async with place(tmp_path) as here:
            answer = await here.ask("/")
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            return answer.body.decode(), answer.headers["content-security-policy"]

    text, policy = strict_run(scene())
    shown = _Page(text)
    assert not [given for _, given in shown.tags if {"src", "href"} & set(given)]
    assert "url(" not in shown.style
    assert "@import" not in shown.style
    digest = base64.b64encode(hashlib.sha256(shown.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    refresh = next(
        given["content"] for tag, given in shown.tags if given.get("http-equiv") == "refresh"
    )
    assert refresh == str(page.REFRESH_S)
    assert not [given for _, given in shown.tags if "style" in given]


def test_the_light_is_as_bad_as_the_worst_that_is_wrong(tmp_path: Path) -> None:
    async def light(here: Place) -> str:
        text = (await here.ask("/")).body.decode()
        return next(
            words for words in ("green", "yellow", "red") if f'class="light {words}"' in text
        )

    async def scene() -> None:
        async with place(tmp_path) as here:
            assert await light(here) == "red"  # nothing is heard
            source_is(here, TransportState.UP)
            assert await light(here) == "yellow"  # the broker is away
            here.agent.health.uplink.connected = True
            here.agent.health.uplink.version = "5"
            here.agent.clock.source = "system"
            here.agent.clock._asked_at_ns = -NS  # noqa: SLF001 - believed from now on
            assert await light(here) == "green"
            here.agent.health.audience.missed(Lane.LIVE, here.agent.clock.boot_ns())
            assert await light(here) == "yellow"  # and until somebody hears, below
            here.agent.health.audience.reached(Lane.LIVE, here.agent.clock.boot_ns())
            assert await light(here) == "green"
            ten_days = int(here.agent.clock.wall_ns() / NS) + 10 * 86_400
            here.agent.health.uplink.certificate_until_s = ten_days
            assert await light(here) == "yellow"
            assert "expires in" in (await here.ask("/")).body.decode()
            here.agent.health.uplink.certificate_until_s = None
            here.agent.health.store = StoreHealth("the medium is full", "free some", 1)
            assert await light(here) == "red"
            text = (await here.ask("/")).body.decode()
            assert "the medium is full" in text
            assert "free some" in text
            assert (await here.ask("/status")).json["store"]["remedy"] == "free some"
            here.agent.health.store = StoreHealth()
            here.agent.health.frames.heard += 1  # and nobody knows where it ended
            assert await light(here) == "red"

    strict_run(scene())


def test_a_page_with_nothing_to_show_yet_is_a_page(tmp_path: Path) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            here.agent.health.uplink.version = "5"
            text = (await here.ask("/")).body.decode()
            assert "nothing yet" in text
            assert "never" in text
            assert text.count("MQTT 5") == 1

    asyncio.run(scene())
