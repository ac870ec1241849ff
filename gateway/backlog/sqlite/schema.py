"""What stands in the file: pragmas, tables, and how a bundle becomes a row's body.

Everything durable rests on the pragmas below; the power-cut test runs with exactly these and loses
rows when one of them is weakened. A change of a table is a new VERSION and a migration. The
tables are STRICT and say what they hold, so that quick_check notices what does not belong there.

    bundle        one row per bundle, appended at the end of one b-tree: a commit writes one page
                  as a rule. There is no index, for it would make that two.
    stream        the streams of this run, and of earlier ones whose end is not published yet.
                  next_seq is NULL until the end is known: at a clean stop, or when the next run
                  finds the stream open. kept_seq is one past the highest number kept, as of tally.
    tally         one row: how much is kept in rows below next_row. Every transaction that deletes
                  writes it, and an append now and then, so that a start counts the rows from
                  next_row on and no others: it does not read the whole file.
    counter       the last replay counter by device address.
    installation  one row: below `session` no number is free.
    loss          what will never come and is not yet known to the broker, oldest first.
    aside         what the broker will never take, for people to look into, oldest first.
    memory        words kept for the runs to come.

All but `bundle`, whose body has one, have a checksum of each row in the column `seal` (seal.py).
It is NULL in rows that an earlier version wrote.
"""

import zlib
from typing import Final

import msgspec

from gateway.backlog.sqlite import seal
from gateway.model import Bundle

VERSION: Final = 3
PAGE_BYTES: Final = 4096
MOST_OBSERVATIONS: Final = 100  # of a bundle (docs/reference/schema.md)

PRAGMAS: Final = (
    # Before the journal mode: then the WAL's index stays in memory and there is no -shm file.
    "PRAGMA locking_mode=EXCLUSIVE",
    f"PRAGMA page_size={PAGE_BYTES}",
    "PRAGMA journal_mode=WAL",
    # Each commit is synced. NORMAL would lose the commits since the last checkpoint.
    "PRAGMA synchronous=FULL",
    # 1 MB of WAL: a commit that has to make a checkpoint stays short, and so does the file, which
    # comes on top of the cap and has to fit on a medium that is nearly full.
    "PRAGMA wal_autocheckpoint=256",
    "PRAGMA journal_size_limit=1048576",
    # Debian builds with secure_delete on, which writes every page that a settle frees.
    "PRAGMA secure_delete=FAST",
    # Notice a page that is not what it should be when it is read, not when it has done harm.
    "PRAGMA cell_size_check=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-1024",  # KiB
)

_TABLES_1: Final = (
    """CREATE TABLE bundle(
        id INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        klass TEXT NOT NULL CHECK(klass IN ('routine', 'event')),
        first_seq INTEGER NOT NULL,
        count INTEGER NOT NULL,
        body BLOB NOT NULL) STRICT""",
    """CREATE TABLE stream(
        id TEXT PRIMARY KEY,
        klass TEXT NOT NULL CHECK(klass IN ('routine', 'event')),
        run INTEGER NOT NULL,
        clean INTEGER NOT NULL DEFAULT 0,
        next_seq INTEGER) STRICT, WITHOUT ROWID""",
    """CREATE TABLE counter(
        address TEXT PRIMARY KEY,
        value INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE TABLE installation(session INTEGER NOT NULL) STRICT",
)
# What version 2 added.
TABLES_2: Final = (
    "ALTER TABLE stream ADD COLUMN kept_seq INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE tally(
        next_row INTEGER NOT NULL,
        bundles INTEGER NOT NULL,
        observations INTEGER NOT NULL,
        events INTEGER NOT NULL) STRICT""",
    """CREATE TABLE loss(
        id INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        reason TEXT NOT NULL,
        boot TEXT NOT NULL,
        at_ns INTEGER NOT NULL,
        wall_offset_ns INTEGER) STRICT""",
    """CREATE TABLE aside(
        id INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        klass TEXT NOT NULL CHECK(klass IN ('routine', 'event')),
        first_seq INTEGER NOT NULL,
        count INTEGER NOT NULL,
        size INTEGER NOT NULL,
        reason TEXT NOT NULL,
        boot TEXT NOT NULL,
        at_ns INTEGER NOT NULL,
        wall_offset_ns INTEGER,
        body BLOB NOT NULL) STRICT""",
    """CREATE TABLE memory(
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL) STRICT, WITHOUT ROWID""",
)
# What version 3 added.
TABLES_3: Final = tuple(f"ALTER TABLE {table} ADD COLUMN seal INTEGER" for table in seal.COLUMNS)
TABLES: Final = (*_TABLES_1, *TABLES_2, *TABLES_3)

# Of a connection, in memory: the transaction that was committed last (connection.has_mark).
MAKE_MARK: Final = "CREATE TEMP TABLE mark AS SELECT 0 AS number"
PUT_MARK: Final = "UPDATE temp.mark SET number = ?"
READ_MARK: Final = "SELECT number FROM temp.mark"

INSERT_BUNDLE: Final = (
    "INSERT INTO bundle(id, stream, klass, first_seq, count, body) VALUES(?, ?, ?, ?, ?, ?)"
)
RowValues = tuple[int, str, str, int, int, bytes]

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Bundle)


def row_of(row: int, bundle: Bundle) -> RowValues:
    """Return the bundle as the values of INSERT_BUNDLE."""
    count = len(bundle.entries)
    return (row, bundle.stream, bundle.klass, bundle.first_seq, count, packed(bundle))


def packed(bundle: Bundle) -> bytes:
    """Return the body of a row."""
    return zlib.compress(_encoder.encode(bundle))


def unpacked(body: object) -> Bundle | None:
    """Return the bundle in a body, None if it is damaged: zlib's checksum notices."""
    if not isinstance(body, bytes):
        return None
    try:
        return _decoder.decode(zlib.decompress(body))
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        return None
