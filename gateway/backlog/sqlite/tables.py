"""The small tables beside the bundles: losses, what is set aside, words, counters.

Functions within a transaction of their caller's.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.backlog import SESSIONS_PER_RESERVATION, ranges
from gateway.backlog.sqlite import seal
from gateway.backlog.sqlite.schema import packed
from gateway.model import Aside, Loss, Moment, Row

_INSERT_LOSS: Final = seal.insert("loss")
_NEAR: Final = "WHERE stream = ? AND reason = ? AND first <= ? + 1 AND last >= ? - 1"
_ALL: Final = "ORDER BY id"
_PUT_COUNTER: Final = seal.insert("counter", verb="INSERT OR REPLACE")
_INSERT_ASIDE: Final = seal.insert("aside", "body")


# ---------------------------------------------------------------------------------------- losses
def losses(connection: sqlite3.Connection) -> list[Loss]:
    """Return all loss ranges that are as they were written, oldest first."""
    return [*_losses(connection, _ALL).values()]


def _losses(
    connection: sqlite3.Connection, where: str, values: Sequence[object] = ()
) -> dict[int, Loss]:
    return {
        row: Loss(stream, first, last, reason, Moment(boot, at_ns, offset_ns))
        for row, (stream, first, last, reason, boot, at_ns, offset_ns) in seal.whole_rows(
            connection, "loss", where, values
        )
    }


def _replace_losses(
    connection: sqlite3.Connection, before: Iterable[int], after: Iterable[Loss]
) -> None:
    connection.executemany("DELETE FROM loss WHERE id = ?", [(row,) for row in before])
    connection.executemany(_INSERT_LOSS, [seal.sealed(*_values(each)) for each in after])


def add_losses(connection: sqlite3.Connection, losses_: Sequence[Loss]) -> None:
    """Write loss ranges, merged with their neighbours; the number of them stays bounded."""
    for loss in ranges.joined(losses_):
        near = (loss.stream, loss.reason, loss.last, loss.first)
        merged = _losses(connection, _NEAR, near)
        _replace_losses(connection, merged, [ranges.grown(loss, [*merged.values()])])
    (count,) = connection.execute("SELECT count(*) FROM loss").fetchone()
    if losses_ and count > ranges.MAX_LOSSES:
        all_ = _losses(connection, _ALL)
        _replace_losses(connection, all_, ranges.bounded([*all_.values()]))


def forget_losses(connection: sqlite3.Connection, losses_: Sequence[Loss]) -> None:
    """Delete those that are still exactly so."""
    delete = (
        "DELETE FROM loss WHERE stream = ? AND first = ? AND last = ? AND reason = ?"
        " AND boot = ? AND at_ns = ? AND wall_offset_ns IS ?"
    )
    connection.executemany(delete, [_values(each) for each in losses_])


def _values(loss: Loss) -> tuple[object, ...]:
    at = loss.at
    return (
        loss.stream,
        loss.first,
        loss.last,
        loss.reason,
        at.boot,
        at.at_ns,
        at.wall_offset_ns,
    )


# ----------------------------------------------------------------------------------------- aside
def add_asides(
    connection: sqlite3.Connection, asides: Sequence[Aside], at: Moment, max_bytes: int
) -> list[Loss]:
    """Put bundles aside; beyond `max_bytes` the oldest are given up, declared and returned."""
    connection.executemany(_INSERT_ASIDE, [_aside_values(aside, at) for aside in asides])
    oldest = "SELECT id FROM aside ORDER BY id LIMIT 1"
    given_up: list[Loss] = []
    while aside_totals(connection)[1] > max_bytes:
        heads = delete_asides(connection, connection.execute(oldest).fetchone())
        given_up += [ranges.of_row(head, "aside", at) for head in heads]
    add_losses(connection, given_up)
    return given_up


def delete_asides(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Row]:
    """Delete what was set aside; the heads of what was there, with the ids for rows."""
    head = "SELECT id, stream, klass, first_seq, count FROM aside WHERE id = ?"
    found = [connection.execute(head, (id_,)).fetchone() for id_ in dict.fromkeys(ids)]
    there = [Row(*each) for each in found if each is not None]
    connection.executemany("DELETE FROM aside WHERE id = ?", [(each.row,) for each in there])
    return there


def aside_totals(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return how many bundles are set aside, and their rendered bytes."""
    select = "SELECT count(*), coalesce(sum(size), 0) FROM aside"
    count, size = connection.execute(select).fetchone()
    return count, size


def _aside_values(aside: Aside, at: Moment) -> tuple[object, ...]:
    bundle = aside.bundle
    head = (bundle.stream, bundle.klass, bundle.first_seq, len(bundle.entries), bundle.size)
    values = seal.sealed(*head, aside.reason, at.boot, at.at_ns, at.wall_offset_ns)
    return (*values, packed(bundle))


# ------------------------------------------------------------------------- words and numbers
def memories(connection: sqlite3.Connection) -> dict[str, str]:
    """Return what earlier runs wanted remembered."""
    return dict(connection.execute("SELECT key, value FROM memory"))


def remember(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Keep a word, or forget it when it is empty."""
    connection.execute("DELETE FROM memory WHERE key = ?", (key,))
    if value:
        connection.execute(seal.insert("memory"), seal.sealed(key, value))


def counters(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the replay counters."""
    return dict(connection.execute("SELECT address, value FROM counter"))


def put_counters(connection: sqlite3.Connection, changed: Mapping[str, int]) -> None:
    """Write replay counters."""
    rows = [seal.sealed(address, value) for address, value in changed.items()]
    connection.executemany(_PUT_COUNTER, rows)


def reserve_sessions(connection: sqlite3.Connection, least: int = 0) -> int:
    """Reserve a block of session numbers, none below `least`; the first of them."""
    (reserved,) = seal.only(connection, "installation")
    first = max(least, reserved)
    after = seal.sealed(first + SESSIONS_PER_RESERVATION)
    connection.execute(seal.update("installation"), after)
    return first
