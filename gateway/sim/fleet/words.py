"""What is said of a fleet, to people: a line while it runs, and the page at its end."""

from collections.abc import Iterator

from gateway.sim.fleet.fleet import Latency, Report, Sample
from gateway.sim.fleet.plan import Plan

_WIDTH = 14


def offered(plan: Plan) -> str:
    """Say what is about to begin."""
    where = ", ".join(f"{host}:{port}" for host, port in plan.brokers)
    return (
        f"{plan.gateways:,} gateways with {plan.sensors:,} sensors each,"
        f" {plan.per_s:,.1f} readings a second, to {where}"
    )


def line(sample: Sample) -> str:
    """Say in one line how it stands."""
    words = (
        f"{sample.at_s:6.0f} s {sample.phase:6}",
        f"{sample.connected}/{sample.started} connected",
        f"sent {sample.sent:,}",
        f"acknowledged {sample.delivered:,}",
        f"arrived {sample.arrived:,}",
        f"waiting {sample.owed:,}",
        f"p99 {_ms(sample.live_p99_ms)}",
    )
    said = "  ".join(words)
    if sample.causes:
        cause, count = max(sample.causes.items(), key=lambda item: item[1])
        said += f"  ({count}: {cause})"
    return said


def page(report: Report) -> Iterator[str]:
    """Yield the lines of the report."""
    yield _row("sent", f"{report.sent:,} readings of {report.gateways:,} gateways")
    if report.observed != report.sent:
        yield _row("", f"{report.observed:,} observations: the gateways did not keep up")
    yield _row("acknowledged", f"{report.delivered:,}")
    yield _row("arrived", _arrived(report))
    yield _row("latency", f"heard to arrived {_latency(report.live)}")
    if report.late:
        yield _row("", f"of {report.late:,} that came late {_latency(report.replay)}")
    yield _row("", f"PUBLISH to PUBACK {_latency(report.acknowledged)}")
    yield _row("connections", _connections(report))
    yield _row("memory", f"{report.memory_per_gateway_mb:.2f} MB a gateway")
    if report.left_retained:
        yield _row("left behind", f"{report.left_retained:,} retained messages")
    yield _row("verdict", _verdict(report))


def _row(title: str, text: str) -> str:
    return f"{title:{_WIDTH}}{text}"


def _arrived(report: Report) -> str:
    if report.arrived is None:
        return f"not checked: {report.unchecked}"
    more = [f"{report.repeated:,} of them twice"] if report.repeated else []
    if report.sessions_forgotten:
        more.append(f"the broker forgot the subscriber's session {report.sessions_forgotten}x")
    return ", ".join((f"{report.arrived:,}", *more))


def _connections(report: Report) -> str:
    versions = ", ".join(f"MQTT {version}" for version in sorted(report.versions)) or "none"
    return (
        f"{report.connects:,} ({versions}), {report.reconnects:,} of them again,"
        f" at most {report.most_connects_per_s:,} in a second;"
        f" {report.failed_attempts:,} attempts failed"
    )


def _verdict(report: Report) -> str:
    if report.is_whole:
        seen = "acknowledged" if report.arrived is None else "delivered"
        return f"all that was accepted was {seen}"
    wrong = (
        (report.missing, "acknowledged and never arrived"),
        (report.owed, "still waiting"),
        (report.given_up, "given up"),
        (report.invented, "arrived that nobody made"),
        (report.unbalanced, "gateways whose books do not balance"),
    )
    found = [f"{count:,} {what}" for count, what in wrong if count]
    if report.arrived == 0 and report.delivered:
        # Some brokers grant what they do not deliver: mosquitto's ACL is asked for each message.
        found.append("nothing arrived at all: may this user read it?")
    return "; ".join(found) or "nothing was observed"


def _latency(latency: Latency) -> str:
    return f"p50 {_ms(latency.p50_ms)}, p99 {_ms(latency.p99_ms)}, at most {_ms(latency.most_ms)}"


def _ms(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number / 1000:,.1f} s" if number >= 1000 else f"{number:,.1f} ms"  # noqa: PLR2004
