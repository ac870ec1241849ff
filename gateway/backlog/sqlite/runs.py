"""The streams of this run and of earlier ones, as the file records them: the table `stream`."""

import sqlite3
from collections.abc import Sequence

from gateway.backlog import MOST_PREVIOUS
from gateway.model import PreviousStream, Stream


def begin(
    connection: sqlite3.Connection, streams: Sequence[Stream]
) -> tuple[int, tuple[PreviousStream, ...], bool]:
    """Record the streams of a new run: its number, earlier streams, whether the last was cut off.

    The tally must still be that of the run before.
    """
    # An attempt to open that failed late may have left our own streams.
    connection.executemany("DELETE FROM stream WHERE id = ?", [(each.id,) for each in streams])
    _judge(connection)
    _forget_oldest(connection)
    select = "SELECT id, klass, clean, next_seq, run FROM stream ORDER BY run, id"
    found = connection.execute(select).fetchall()
    last_run = max((run for *_, run in found), default=0)
    connection.executemany(
        "INSERT INTO stream(id, klass, run) VALUES(?, ?, ?)",
        [(stream.id, stream.klass, last_run + 1) for stream in streams],
    )
    previous = tuple(
        PreviousStream(id=id_, klass=klass, clean=bool(clean), next_seq=next_seq)
        for id_, klass, clean, next_seq, _ in found
    )
    return last_run + 1, previous, any(not row[2] for row in found if row[4] == last_run)


def _judge(connection: sqlite3.Connection) -> None:
    """Say where streams ended that were not closed; rows the tally does not know are looked at."""
    connection.execute(
        "UPDATE stream SET next_seq = max(kept_seq, coalesce((SELECT max(first_seq + count)"
        " FROM bundle WHERE bundle.id >= (SELECT next_row FROM tally)"
        " AND bundle.stream = stream.id), 0)) WHERE next_seq IS NULL"
    )


def _forget_oldest(connection: sqlite3.Connection) -> None:
    """Bound what runs leave that are cut off while the broker is away: the newest stay.

    Runs that kept nothing go first, all but the last, or a crash loop would have the run forgotten
    whose end the platform has to know.
    """
    connection.execute(
        "DELETE FROM stream WHERE id NOT IN (SELECT id FROM stream ORDER BY"
        " run = (SELECT max(run) FROM stream)"
        " OR run IN (SELECT run FROM stream WHERE next_seq > 0) DESC,"
        " run DESC, id DESC LIMIT ?)",
        (MOST_PREVIOUS,),
    )


def forget_before(connection: sqlite3.Connection, run: int) -> None:
    """Delete the records of runs before this one."""
    connection.execute("DELETE FROM stream WHERE run < ?", (run,))


def end(connection: sqlite3.Connection, streams: Sequence[Stream]) -> None:
    """Record that streams ended cleanly."""
    connection.executemany(
        "UPDATE stream SET clean = 1, next_seq = ? WHERE id = ?",
        [(stream.next_seq, stream.id) for stream in streams],
    )


def is_open(connection: sqlite3.Connection) -> bool:
    """Whether a stream has not been closed: a run was cut off, and none has begun since."""
    select = "SELECT count(*) FROM stream WHERE next_seq IS NULL"
    (streams,) = connection.execute(select).fetchone()
    return bool(streams)
