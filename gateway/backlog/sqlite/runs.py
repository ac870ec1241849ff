"""The streams of this run and of earlier ones, as the file records them: the table `stream`."""

import sqlite3
from collections.abc import Mapping, Sequence

from gateway.backlog import MOST_PREVIOUS
from gateway.backlog.sqlite import seal
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
        seal.insert("stream"),
        [seal.sealed(stream.id, stream.klass, last_run + 1, 0, None, 0) for stream in streams],
    )
    previous = tuple(
        PreviousStream(id=id_, klass=klass, clean=bool(clean), next_seq=next_seq)
        for id_, klass, clean, next_seq, _ in found
    )
    return last_run + 1, previous, any(not row[2] for row in found if row[4] == last_run)


def _judge(connection: sqlite3.Connection) -> None:
    """Say where streams ended that were not closed; rows the tally does not know are looked at."""
    select = (
        "SELECT id, max(kept_seq, coalesce((SELECT max(first_seq + count)"
        " FROM bundle WHERE bundle.id >= (SELECT next_row FROM tally)"
        " AND bundle.stream = stream.id), 0)) FROM stream WHERE next_seq IS NULL"
    )
    for id_, next_seq in connection.execute(select).fetchall():
        seal.amend(connection, "stream", id_, {"next_seq": next_seq})


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
    for stream in streams:
        seal.amend(connection, "stream", stream.id, {"clean": 1, "next_seq": stream.next_seq})


def keep(connection: sqlite3.Connection, ends: Mapping[str, int]) -> None:
    """Record how far streams are kept, where that has changed."""
    select = "SELECT id FROM stream WHERE id = ? AND kept_seq <> ?"
    for stream, end in ends.items():
        if connection.execute(select, (stream, end)).fetchone():
            seal.amend(connection, "stream", stream, {"kept_seq": end})


def is_open(connection: sqlite3.Connection) -> bool:
    """Whether a stream has not been closed: a run was cut off, and none has begun since."""
    select = "SELECT count(*) FROM stream WHERE next_seq IS NULL"
    (streams,) = connection.execute(select).fetchone()
    return bool(streams)
