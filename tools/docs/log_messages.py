"""The page of the log: every line an installer can meet, found in the source, with its meaning."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import gateway
from tools.docs.markup import explained, table
from tools.docs.markup import page as put_together

SOURCE = "the log calls of gateway and tools/docs/log_messages.py"
HERE = "tools/docs/log_messages.py"
COLUMNS = ("message", "level", "meaning, and what to do")
INTRODUCTION = """\
What the agent says on standard error, one line per change of state; under systemd it stands in
the journal, with its priority. A line begins with its level and the part of the agent that says
it. What differs from case to case is shown here as `...`; a `remedy=` in the line itself says
what to do.

    journalctl --unit ugw --follow
    journalctl --unit ugw --since yesterday --priority warning

`error` and `critical` are for somebody to look at, `warning` for what the agent sees to by itself
unless it lasts. What is wrong now, in fewer words: `ugw status`."""

# Message, with `...` where it varies: what it means. By what it is about.
MEANINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "Start and end": {
        "started version=... devices=... recovered=... unclean=... clock=...": (
            "The store is open. `recovered`: observations of earlier runs that wait in it; "
            "`unclean=True`: the run before ended by a crash or a power cut; `clock`: whether "
            "the time is believed."
        ),
        "cannot start: ...": (
            "The agent ends with exit code 4; the line says why, and what to do. `ugw check` "
            "looks at everything at once."
        ),
        "remark": "What works, but perhaps not as it was meant: `ugw check` says the same.",
        "stopping in_memory=...": (
            "It was told to end: so many observations are not safe yet, and are delivered or "
            "kept now."
        ),
        "stopped clean in_backlog=...": (
            "Nothing was lost; so many observations wait on disk for the next start."
        ),
        "store not closed lost=... cause=...": (
            "The end was not clean: so many observations are lost, and the next birth says that "
            "the run ended unclean. See the cause; the disk is full or failing."
        ),
        "ended, not clean: ...": "The same, as the last line; the exit code is 1.",
        "a bug in the agent: ending, so that the supervisor starts it anew": (
            "Please report it, with the lines before. systemd starts the agent again; what is on "
            "disk is delivered."
        ),
        "service manager not told cause=...": (
            "systemd did not take a notification. If it lasts, systemd takes the agent for dead "
            "and restarts it: is the unit the one of this version?"
        ),
    },
    "The broker": {
        "uplink up host=... port=... version=... session=...": "Connected.",
        "uplink down cause=... remedy=...": (
            "Not connected, once for each new cause; everything is kept meanwhile. See [the "
            "broker is not reached](../how-to/broker-not-reached.md)."
        ),
        "lane refused lane=... reason_code=...": (
            "The broker refuses observations on this lane. They are kept, and tried again within "
            "a minute at most. `0x87`: it does not let this gateway publish; `0x97`: a quota."
        ),
        "link slow window=... bundle_bytes=...": (
            "Acknowledgements did not come in time: the line is given up, and the next one gets "
            "fewer and smaller messages at a time. If it stays so, the link is too thin for what "
            "is heard."
        ),
        "lane accepted again lane=... after_refusals=...": "It takes them again.",
        "set aside stream=... first=... reason=...": (
            "The broker will never take this bundle: it waits for you. See [set "
            "aside](../how-to/read-the-backlog.md#set-aside)."
        ),
        "status refused reason=...": (
            "The broker does not take the status: is the gateway allowed to write below its "
            "whole topic, retained messages too?"
        ),
        "... refused, trying again topic=...": (
            "The same, of events, announcements or last values."
        ),
        "... given up, the broker never takes it topic=...": (
            "A message other than observations is too large for the broker, or forbidden for "
            "good: raise its `max_packet_size`. Loss ranges are tried again every minute."
        ),
        "certificates renewed files=...": (
            "The files have changed; the next connection, which is made now, uses them."
        ),
        "certificates changed, not usable cause=... remedy=...": (
            "Half a pair, or no certificate: the connection with the old one stays until the "
            "files are right."
        ),
        "certificate expires days_left=... remedy=...": (
            "The gateway's own certificate; once a day, from 21 days before on. Renew it."
        ),
        "certificate not valid yet cause=... remedy=...": (
            "The gateway's own certificate begins later, by a clock that is believed; said once. "
            "The broker will not let the gateway in until then."
        ),
        "certificate expired days_ago=... remedy=...": (
            "The same, too late: the broker will not let the gateway in. Everything is kept "
            "meanwhile."
        ),
    },
    "The store": {
        "backlog level=... used=... of=...": (
            "How full the store is, when that changes: `elevated` from half of `store.max_size` "
            "on, `critical` from 90 %, `full`. See [the "
            "store](../explanation/store.md#when-it-fills)."
        ),
        "no room for housekeeping, put off cause=... remedy=...": (
            "Something small that the agent wanted to remember finds no room; it is tried again. "
            "Observations are not concerned."
        ),
        "store gives up old for new cause=... remedy=...": (
            "There is no room, and the oldest observations on disk make place for new ones; what "
            "goes is declared lost. The cause says what is full: the store (`store.max_size`), or "
            "the medium, which must keep `store.keep_free` free. Said once for each cause."
        ),
        "store has room again": "Nothing was given up for a minute.",
        "store damaged, rows stepped over, they do not read from=...": (
            "Part of the file does not read: what lies behind it is delivered. The next start "
            "takes over what reads, and declares the rest. Exchange the card."
        ),
        "store damaged, a row is not as it was written, put right row=...": (
            "Its observations are as they were, by their checksum, and are delivered. Exchange "
            "the card."
        ),
        "store damaged, not all rows could be read table=...": (
            "`loss`: ranges that the platform was still to be told did not read, `aside`: bundles "
            "set aside. Which ones, nobody can say; the rest was taken over. The damaged file is "
            "kept."
        ),
        "store failed, memory only cause=... remedy=...": (
            "Nothing can be written: what is not acknowledged is in memory only. It is tried "
            "again by itself, within a minute at most. Free space, or exchange the card."
        ),
        "store works again after_failures=...": "That is over; what was in memory is safe now.",
        "ballast given up, the medium is full bytes=...": (
            "The reserve was deleted so that the store can still be emptied. Free space; it "
            "comes back by itself."
        ),
        "no ballast made: ...": "There is no such reserve now. Look at the cause.",
        "store committed, what came after the commit failed: ...": (
            "What was to be kept is safe in the log; to bring the log into the file failed. It is "
            "tried again with what is kept next. Free space, or think of exchanging the card."
        ),
        "store failed to sync, nothing more is committed to it as it is: ...": (
            "The card did not take what it was given. What follows says whether the file could "
            "be healed. Think of exchanging the card."
        ),
        "store failed to sync, its log is written into it anew: ...": (
            "At the start the card did not take what a run that was cut off had left. It is given "
            "it a second time; nothing was lost. Think of exchanging the card."
        ),
        "store healed after a failed sync": "Nothing was lost.",
        "store not to be healed, it goes into a new file: ...": "Everything that reads is copied.",
        "store goes on in a new file, the old one is ...": (
            "That has worked. Exchange the card when you can; the old file may be deleted."
        ),
        "store was damaged, set aside path=...": (
            "At the start the file was found damaged. What could be read was taken over, what "
            "could not is declared lost. The file may be deleted; a card that does it twice "
            "should be exchanged."
        ),
        "rows damaged, dropped rows=...": (
            "So many bundles on disk could not be read any more; their numbers are declared lost."
        ),
        "backlog not readable cause=... remedy=...": (
            "What waits on disk cannot be read now, so it is not sent. It is tried again by "
            "itself."
        ),
        "store not shrunk: ...": "The file stays larger than it need be, nothing else.",
        "not remembered cause=... remedy=...": (
            "A word for the next start was not kept: it may announce a device or a silent sensor "
            "once more."
        ),
        "not known who was announced before cause=...": (
            "Devices that were taken off the list while the agent was off keep their "
            "announcement at the broker."
        ),
    },
    "Radios and drivers": {
        "transport ... is ...": (
            "A radio is up, down or deaf, and why, with what to do. See [a sensor is not "
            "heard](../how-to/sensor-not-heard.md)."
        ),
        "radio recovery name=... step=...": (
            "Bluetooth hears nothing more, and a new scan did not help. `power`: the adapter was "
            "switched off and on; `service`: bluetoothd was restarted."
        ),
        "radio recovery held back name=... step=... cause=... remedy=...": (
            "One of these was not possible, once for each new cause; the other goes on. See [a "
            "wedged adapter](../how-to/raspberry-pi.md#let-it-restart-bluetoothd)."
        ),
        "radio recovery finished name=...": (
            "An adapter that the agent had switched off and could not switch on, or was killed "
            "before it did, has its power again."
        ),
        "adapter moved address=... now=...": (
            "The adapter was plugged in again, and Linux gave it another number. It is used all "
            "the same."
        ),
        "sensor ... cannot be read: ...": (
            "A sensor that is connected to (`poll`) has failed twice in a row, and why, with what "
            "to do. It is tried ever more seldom, at least every quarter of an hour."
        ),
        "sensor ... is read again": "It answers again.",
        "driver ... is not used: ...:...: ...": (
            "A driver of yours has a fault at this file and line. All others work."
        ),
        "driver ... has a fault: ...:...: ...": (
            "It raised an error on a frame, which is counted as `refused.driver_fault`. Told once."
        ),
        "driver ... of ... replaces ...": "A driver of yours is used instead of a built-in one.",
        "codec fails file=... reason=... cause=...": (
            "A vendor's codec threw, reported an error (`codec_error`) or met a limit of time, "
            "memory or size (`codec_limit`); the cause may be its own words. Such frames are "
            "refused and counted; after a limit it rests, longer each time. Told once until it "
            "works again."
        ),
        "codec works again file=...": "It has decoded a frame.",
        "codec values not in the map device=... values=...": (
            "What the codec says of this device and its `map` does not name: it is not published. "
            "Told once. `ugw decode` proposes names."
        ),
        "codec worker lost, another is started cause=...": (
            "The process that runs vendors' codecs has ended: a codec took it down, or the kernel "
            "did for want of memory. The frame is tried once more; the agent goes on."
        ),
    },
    "Clock, configuration, HTTP": {
        "clock is ...": "`synced`, `holdover` or `unsynced`: see [time](../explanation/time.md).",
        "clock stepped by_ms=...": (
            "Somebody set the clock, or it was synchronised for the first time. Timestamps do "
            "not suffer."
        ),
        "configuration reloaded changed=...": "`systemctl reload ugw` has applied these keys.",
        "configuration not reloaded, nothing has changed: ...": (
            "The file has a fault, or changes what needs a restart. The agent goes on as before."
        ),
        "http listens address=... token=...": "The status page is there.",
        "http not served cause=... remedy=...": (
            "It is not, and `ugw status` has nobody to ask. Everything else works; it is tried "
            "again by itself."
        ),
    },
}

_LOGGERS: Final = ("log", "_log")
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_PLACEHOLDERS: Final = re.compile(r"(%[-#0-9.]*[a-z])+")
_NOT_FOR_INSTALLERS: Final = "sim"  # a developer's machine
Found = dict[str, list[str]]  # message -> levels


def page() -> str:
    """Return the page. Raises MissingWordsError for a message without a meaning."""
    return put_together("Log messages", SOURCE, _parts(messages(Path(gateway.__path__[0]))))


def _parts(found: Found) -> Iterator[str]:
    meanings = {name: words for group in MEANINGS.values() for name, words in group.items()}
    told = dict(explained(found, meanings, f"{HERE}, MEANINGS"))
    yield INTRODUCTION
    for title, group in MEANINGS.items():
        yield f"## {title}"
        yield table(
            COLUMNS, [(f"`{name}`", " or ".join(found[name]), told[f"`{name}`"]) for name in group]
        )


def messages(package: Path) -> Found:
    """Find what is logged below a folder: each message, and the levels it is logged at."""
    found: Found = {}
    for file in sorted(package.rglob("*.py")):
        if _NOT_FOR_INSTALLERS not in file.relative_to(package).parts:
            for message, level in _logged(ast.parse(file.read_text(encoding="utf-8"))):
                levels = found.setdefault(message, [])
                levels += [level] if level not in levels else []
    return found


def _logged(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (message, level) of each call of a logger."""
    texts = dict(_named_texts(module))
    for node in ast.walk(module):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=logger), attr=method), args=[first, *rest]
            ) if logger in _LOGGERS:
                if method in _LEVELS:
                    yield _message(first, texts), method
                elif method == "log":  # the level is decided when it is said
                    yield _message(rest[0], texts), "info or warning"
            case _:
                pass


def _named_texts(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the texts that have a name: those too long for the call's line."""
    for node in ast.walk(module):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                yield name, text
            case _:
                pass


def _message(given: ast.expr, texts: Mapping[str, str]) -> str:
    """Return the message with `...` for what varies; a variable's name where all of it does."""
    match given:
        case ast.Constant(value=str(text)):
            pass
        case ast.Name(id=name):
            text = texts.get(name, name)
        case _:
            text = ast.unparse(given)
    return _PLACEHOLDERS.sub("...", text).replace("0x...", "...")
