"""Expectations about what arrives: all of it, nothing else, once, in order, in time."""

from collections.abc import Sequence
from heapq import nlargest
from itertools import islice
from typing import Annotated, Final

from pydantic import Field

from gateway.config import Duration, Section
from gateway.config.section import Number, Whole
from gateway.sim.expectations.expectation import (
    FINE,
    Expectation,
    NoMore,
    Waits,
    Wrong,
    expectation,
)
from gateway.sim.expectations.judge import Judge, Misdated
from gateway.sim.ledger import Sent

_NS_PER_S: Final = 1e9
_SHOWN: Final = 10


class Below(Section):
    """A bound of time."""

    below_ns: Annotated[int, Duration("1ms", "90d")] = Field(alias="below")
    """The bound."""
    quantile: Number = Field(default=0.99, gt=0, lt=1)
    """Of how many it must hold, as a part of all."""


class Near(Section):
    """How exact it has to be."""

    off_by_ns: Annotated[int, Duration("250ms", "1d")] = Field(
        default=1_000_000_000, alias="off_by"
    )
    """How far off a time may be."""


class AtMost(Section):
    """A bound of a number."""

    at_most: Whole = Field(ge=0)
    """The bound."""


class AtLeast(Waits):
    """A number that is reached."""

    at_least: Whole = Field(default=1, ge=1)
    """How many."""


def _every(judge: Judge, _: Waits, __: float) -> Wrong:
    """Expect that everything that the agent let in has arrived at a subscriber.

    By the ledger of what was on the air, and by the numbers that the agent gave. What its policy
    did not let in (limited, coalesced, thinned) it counts, and that many frames are not missed.
    """
    ledger = judge.bench.air.ledger
    if judge.bench.air.sensors and not ledger.sent_count:
        return Wrong("no frame of any sensor has reached the agent: nothing can be said")
    late = ledger.missing()
    if len(late) > judge.not_let_in():
        why = f"{len(late)} of {ledger.sent_count} frames that the agent heard did not arrive"
        return _missing(judge, why, late)
    if ledger.forgotten:
        return Wrong(f"the ledger had to forget {ledger.forgotten} frames: no verdict is complete")
    if numbers := judge.missing_numbers():
        return Wrong(f"numbers were given and did not arrive: {'; '.join(numbers[:3])}")
    return FINE


def _declared(judge: Judge, _: Waits, __: float) -> Wrong:
    """Expect that what did not arrive was declared lost, number by number, or set aside.

    Set aside is what the broker never takes: it lies where people look into it, and is counted.
    """
    late = judge.bench.air.ledger.missing()
    excused = judge.declared() + judge.not_let_in() + judge.set_aside()
    if len(late) > excused:
        why = f"{len(late)} frames did not arrive, and {excused} were declared lost or not let in"
        return _missing(judge, why, late)
    if numbers := judge.missing_numbers(excused=judge.set_aside()):
        return Wrong(f"missing without a word: {'; '.join(numbers[:3])}")
    return FINE


def _missing(judge: Judge, why: str, late: Sequence[Sent]) -> Wrong:
    shown = late[:_SHOWN]
    times_s = tuple(judge.when_s(one) for one in shown)
    return Wrong(why, tuple(judge.told(one) for one in shown), times_s)


def _nothing_lost(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that nothing was given up, by what the agent itself declares."""
    if count := judge.declared():
        streams = ", ".join(sorted(judge.lost))
        return Wrong(f"{count} observations were declared lost, of {streams}")
    dropped = sum(body["counters"]["dropped"] for body in judge.runs.values())
    return Wrong(f"{dropped} observations are counted as dropped") if dropped else FINE


def _invented(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that nothing arrived that no sensor has sent."""
    ledger = judge.bench.air.ledger
    frames = ledger.invented()
    if not frames:
        return FINE
    shown = sorted((ledger.invented_at_s(frame), *frame) for frame in frames)[:_SHOWN]
    told = tuple(
        f"{judge.address(device) or device} #{number} arrived at {judge.shown_s(at_s):.3f} s"
        for at_s, device, number in shown
    )
    times_s = tuple(at_s for at_s, *_ in shown)
    return Wrong(f"{len(frames)} frames were never sent", told, times_s)


def _twice(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that no frame arrived under two keys, and nothing under one key with two contents."""
    ledger = judge.bench.air.ledger
    frames = ledger.repeats()
    if frames:
        told = tuple(f"{judge.address(device) or device} #{number}" for device, number in frames)
        return Wrong(f"{len(told)} frames arrived under two keys", told[:_SHOWN])
    keys = ledger.contradictions()
    told = tuple(f"{stream} {seq} {name}" for stream, seq, name, _ in keys)
    return Wrong(f"{len(told)} results arrived with two contents", told[:_SHOWN]) if told else FINE


def _duplicates(judge: Judge, arguments: AtMost, _: float) -> Wrong:
    """Expect that few observations came more than once, which consumers can tell by their keys."""
    if judge.repeated <= arguments.at_most:
        return FINE
    return Wrong(f"{judge.repeated} observations came again; {arguments.at_most} are allowed")


def _reconnects(judge: Judge, arguments: AtMost, _: float) -> Wrong:
    """Expect that the agent had to connect to the broker a few times only."""
    count = len(judge.bench.broker.connects)
    if count <= arguments.at_most:
        return FINE
    return Wrong(f"{count} connections were made; {arguments.at_most} are allowed")


def _delivered(judge: Judge, arguments: AtLeast, _: float) -> Wrong:
    """Expect that so many different observations have arrived."""
    count = sum(seen.count for seen in judge.arrived.values())
    if count >= arguments.at_least:
        return FINE
    return Wrong(f"{count} observations arrived; at least {arguments.at_least} are expected")


def _order(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that on the live lane nothing older comes after something newer."""
    return first(judge, "order", "bundles came out of order")


def _latency(judge: Judge, arguments: Below, _: float) -> Wrong:
    """Expect that from the air to a subscriber it takes less than that, for nearly all frames."""
    late_s = latency_s(judge, arguments.quantile)
    if late_s is None:
        return Wrong("no frame has arrived: nothing can be said")
    if late_s < arguments.below_ns / _NS_PER_S:
        return FINE
    slowest = nlargest(_SHOWN, judge.latencies)
    frames = tuple(
        f"{one.took_s:.3f} s, sent at {judge.shown_s(one.sent_s):.3f} s" for one in slowest
    )
    why = f"{100 * arguments.quantile:g} % of the frames took up to {late_s:.3f} s"
    return Wrong(why, frames, tuple(one.sent_s for one in slowest))


def _times(judge: Judge, arguments: Near, _: float) -> Wrong:
    """Expect that a time which is called exact is what the gateway's clock showed at the time.

    When the frame was on the air, not when it was sent on; and nothing is called exact while
    nothing vouched for the clock.
    """
    if not judge.dated:
        return Wrong("no frame has arrived whose time is called exact: nothing can be said")
    within_s = arguments.off_by_ns / _NS_PER_S
    wrong = [one for one in judge.misdated if one.off_s is None or one.off_s > within_s]
    if not wrong:
        return FINE
    told = tuple(f"{judge.told(one.sent)}, said to be {_off(one)}" for one in wrong[:_SHOWN])
    times_s = tuple(judge.when_s(one.sent) for one in wrong[:_SHOWN])
    return Wrong(f"{len(wrong)} of {judge.dated} times are wrong: {told[0]}", told, times_s)


def _off(one: Misdated) -> str:
    if one.off_s is None:
        return f"{one.sent.told}, exact, by a clock that nothing vouched for"
    return f"{one.sent.told}, {one.off_s:.3f} s off"


def latency_s(judge: Judge, quantile: float, *, newest: int | None = None) -> float | None:
    """Return how long that part of all frames, or of the newest, took at most; None: of none."""
    all_of_them = reversed(judge.latencies)
    ordered = sorted(one.took_s for one in islice(all_of_them, newest))
    return ordered[min(len(ordered) - 1, int(len(ordered) * quantile))] if ordered else None


def first(judge: Judge, law: str, what: str) -> Wrong:
    """Tell of the breaches of a law, of the first one in its words."""
    breaches = judge.breaches[law]
    if not breaches:
        return FINE
    shown = breaches[:_SHOWN]
    told = tuple(f"at {judge.shown_s(one.at_s):.3f} s: {one.why}" for one in shown)
    return Wrong(f"{what}: {breaches[0].why}", told, tuple(one.at_s for one in shown))


EXPECTATIONS: Final[tuple[Expectation, ...]] = (
    expectation("every_accepted_observation_delivered", Waits, _every),
    expectation("declared_losses_only", Waits, _declared),
    expectation("nothing_lost", NoMore, _nothing_lost),
    expectation("nothing_invented", NoMore, _invented),
    expectation("nothing_twice_under_two_keys", NoMore, _twice),
    expectation("duplicates", AtMost, _duplicates),
    expectation("reconnects", AtMost, _reconnects),
    expectation("delivered", AtLeast, _delivered),
    expectation("order_kept", NoMore, _order),
    expectation("latency_p99", Below, _latency),
    expectation("times_true", Near, _times),
)
