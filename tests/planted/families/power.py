"""Defects of this family, and which tests see them."""

from typing import Final

from tests.planted.defect import Defect

_CUTS: Final = "tests/backlog/test_power_cuts.py"
OUTAGE: Final = f"{_CUTS}::test_an_outage_with_the_pragmas_of_the_store_itself_loses_nothing"
DAMAGED: Final = (
    f"{_CUTS}::test_a_power_cut_while_a_damaged_file_is_replaced_loses_no_more_than_the_damage"
)

_SCHEMA: Final = "gateway/backlog/sqlite/schema.py"
_DATABASE: Final = "gateway/backlog/sqlite/database.py"
_OPENING: Final = "gateway/backlog/sqlite/opening.py"
# What goes before a statement to give it a transaction of its own.
_ANEW: Final = 'connection.execute("COMMIT"), connection.execute("BEGIN IMMEDIATE")'

DEFECTS: tuple[Defect, ...] = (
    Defect(
        name="syncs the log at a checkpoint alone",
        file=_SCHEMA,
        before='"PRAGMA synchronous=FULL"',
        after='"PRAGMA synchronous=NORMAL"',
        red=(OUTAGE,),
    ),
    Defect(
        name="syncs nothing: a checkpoint is written and the log begun anew in any order",
        file=_SCHEMA,
        before='"PRAGMA synchronous=FULL"',
        after='"PRAGMA synchronous=OFF"',
        red=(OUTAGE,),
    ),
    Defect(
        name="deletes dropped bundles before their loss ranges are committed",
        file=_DATABASE,
        before="            declare(connection, there)\n",
        after=f"            {_ANEW}\n            declare(connection, there)\n",
        red=(OUTAGE,),
    ),
    Defect(
        name="deletes the oldest bundles before their loss ranges are committed",
        file=_DATABASE,
        before="            dropped.sort(",
        after=f"            {_ANEW}\n            dropped.sort(",
        red=(OUTAGE,),
    ),
    Defect(
        name="deletes bundles first and sets them aside in a second transaction",
        file=_DATABASE,
        before="            given_up = tables.add_asides(",
        after=f"            {_ANEW}\n            given_up = tables.add_asides(",
        red=(OUTAGE,),
    ),
    Defect(
        name="counts what it deletes in a transaction of its own",
        file=_DATABASE,
        before="        if there:\n            self._write_tally(connection, after)\n",
        after=f"        if there:\n            {_ANEW}\n"
        "            self._write_tally(connection, after)\n",
        red=(OUTAGE,),
    ),
    Defect(
        name="takes a bundle from aside before it is back in the backlog",
        file=_DATABASE,
        before="            tables.delete_asides(connection, [aside])\n",
        after=f"            tables.delete_asides(connection, [aside])\n            {_ANEW}\n",
        red=(OUTAGE,),
    ),
    Defect(
        name="keeps bundles without the replay counters of their frames",
        file=_DATABASE,
        before="            connection.executemany(INSERT_BUNDLE, values)\n"
        "            tables.put_counters(connection, counters)\n",
        after="            connection.executemany(INSERT_BUNDLE, values)\n",
        red=(OUTAGE,),
    ),
    Defect(
        name="hands out session numbers and does not write down which",
        file="gateway/backlog/sqlite/tables.py",
        before="seal.sealed(first + SESSIONS_PER_RESERVATION)",
        after="seal.sealed(first)",
        red=(OUTAGE,),
    ),
    Defect(
        name="does not say that the run before was cut off",
        file="gateway/backlog/sqlite/runs.py",
        before="any(not row[2] for row in found if row[4] == last_run)",
        after="False",
        red=(OUTAGE,),
    ),
    Defect(
        name="takes away the log that a killed run left, before what is in it is in the file",
        file=_OPENING,
        before="            copy.rename(left)\n",
        after="            left.unlink()\n",
        red=(OUTAGE,),
    ),
    Defect(
        name="gives a copy of the log its name before the copy is synced",
        file=_OPENING,
        before="        file.flush()\n        os.fsync(descriptor)\n",
        after="        file.flush()\n",
        red=(OUTAGE,),
    ),
    Defect(
        name="gives a new file its name before the file is synced",
        file=_OPENING,
        before="    _sync(new)\n",
        after="",
        red=(OUTAGE, DAMAGED),
    ),
    Defect(
        name="moves a damaged file away before the name of the new one is synced",
        file=_OPENING,
        before="    _sync(directory)  # before the old one may get another name\n",
        after="",
        red=(DAMAGED,),
    ),
    Defect(
        name="lets a new file stand beside the log of the damaged one",
        file=_OPENING,
        before="    _sync(directory)  # not every file system keeps the order of changes"
        " of names\n",
        after="",
        red=(DAMAGED,),
    ),
)
