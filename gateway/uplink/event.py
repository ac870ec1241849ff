"""The event message: one thing that city IT must hear about, as `ugw.event/1`.

`boot` and `uptimeMs` say when it happened, `sentTime` when it was said; without a clock that can
be believed the latter is left out.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.core import document, wire
from gateway.core.document import Items
from gateway.model import Loss, Moment, PreviousStream
from gateway.uplink import status
from gateway.uplink.status import Identity, Pair

SCHEMA: Final = "ugw.event/1"
LOSS: Final = "loss"

_NS_PER_MS: Final = 1_000_000


class Event(msgspec.Struct, frozen=True):
    """Something that happened: its kind, and that kind's fields in the schema's order."""

    kind: str
    fields: tuple[Pair, ...]
    at: Moment


def of_loss(loss: Loss) -> Event:
    """Return the event that declares a loss range."""
    fields = (
        ("stream", loss.stream),
        ("from", loss.first),
        ("to", loss.last),
        ("reason", loss.reason),
    )
    return Event(LOSS, fields, loss.at)


def previous(streams: Iterable[PreviousStream]) -> Items:
    """Return how earlier runs ended, for the event `agent.start`."""
    return Items(*map(status.previous_stream, streams))


def render(identity: Identity, event: Event, sent_ms: int | None) -> bytes:
    """Render an event; `sent_ms` is Unix time, None where nobody knows it.

    An empty text, such as no cause, is left out.
    """
    sent = () if sent_ms is None else (("sentTime", wire.rfc3339_ms(sent_ms)),)
    pairs: tuple[Pair, ...] = (
        ("schema", SCHEMA),
        ("org", identity.org),
        ("gateway", identity.gateway),
        *sent,
        ("boot", event.at.boot),
        ("uptimeMs", event.at.at_ns // _NS_PER_MS),
        ("kind", event.kind),
        *(pair for pair in event.fields if pair[1] != ""),
    )
    return document.render(pairs).encode()
