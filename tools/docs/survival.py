"""The page of faults: what happens, what is lost, the command that shows it, and what proves it.

Written from the catalogue that the tests hold to (tests/survival) and from the defects that are
planted (tests/planted): a fault without a test, or a defect that no test sees, is not on it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

from tests.planted import catalogue as planted
from tests.planted.defect import Defect
from tests.survival import catalogue
from tests.survival.fault import Fault, Later
from tools.docs.markup import MissingWordsError, table
from tools.docs.markup import page as put_together

SOURCE: Final = "tests/survival and tests/planted"
_TYPED: Final = 2  # files of tests in one command: more would make a table nobody can read
UP: Final = "../.."  # from the page to the root
INTRODUCTION: Final = """\
For city IT and for whoever has to believe it: each fault that a gateway in the street meets,
what ugw does then, what is lost, and a command that shows it. How it works stands in
[delivery](delivery.md) and [the store](store.md); this page is about what has been tried.
Nothing on it needs hardware, Docker or a network. Names and a network that is taken away are
played in namespaces of the kernel: those tests want root, and say so where they are skipped."""
PROMISE: Final = """\
**Nothing accepted is lost, and everything not delivered is declared.** An observation is
*accepted* once the broker has acknowledged it, or it is committed to the gateway's medium with a
sync. One of the two happens within 1 s of hearing it, as long as a sync of the medium takes less
than 0.3 s; where it takes longer, by so much later. From then on it arrives at least once, or
its number stands in a loss range that the platform is told. What was heard in the last second
before the power failed, and was neither acknowledged nor committed, is lost; the next birth
message says that the run before ended `unclean`, so that this is known too. What arrives twice
has [the same keys](../reference/schema.md#deduplication).

"Nothing" below means nothing that was accepted."""
PROOF: Final = """\
- **Every write is a place to cut the power.** Histories of the store (commits, leases,
  deletions, checkpoints, drops) run on a recorded disk. The power is cut at each write,
  truncation and sync; what was not synced is lost, torn or reordered. After each cut the real
  store starts on what is left, and has all that it had promised.
- **Real agents are killed**, with SIGKILL at random instants, while sensors send and the broker
  comes and goes. A judge outside keeps its own ledger of what was sent and what arrived.
- **Two sums are checked at every step** of every scenario: each frame heard is in exactly one
  counter, each observation is delivered, declared, or still here ([the
  counters](../reference/counters.md)).
- **Defects are planted.** A test that cannot fail proves nothing. For each guarantee there is [a
  change that breaks it](#defects-that-are-planted), and tests that go red for it. Among them are
  [bugs that other systems had](#bugs-others-had), made here as they had them.
- **Real things, where they can be had**: mosquitto, SQLite, OpenSSL, BlueZ's interfaces,
  pseudo-terminals, processes and signals. What is simulated, and what that is worth, is
  [said](simulator.md)."""
RUNNING: Final = """\
In a fresh checkout on Debian 12 or later:

    make test        # all of the tables below, but what says make soak: ten minutes on two cores
    make planted     # plant each defect, and see its tests go red
    make soak        # search longer: a million power cuts, hundreds of kills, fuzzing

A command of the tables runs the files that show one fault. `ugw simulate NAME` plays a scenario
and judges it."""
LIMITS: Final = """\
- **A card that lies**: one that says it has synced when it has not. What it damages is declared;
  what it lets vanish without a trace is not. No software can help: buy industrial cards.
- **A card that is gone**, emptied, or replaced by an old copy of itself: nobody can say how much
  was on it ([the store](store.md#what-survives-what)).
- **A cloned card.** Both gateways deliver its backlog, with the same keys; nothing is lost, but
  two gateways need two ids.
- **Power gone while the medium takes nothing any more.** Then memory is all there is, the status
  says `memory-only`, and nothing in memory counts as accepted.
- **A store that is full before the broker is back.** The oldest goes, and is declared.
- **Lightning, fire, theft.** What was acknowledged is with the broker; the rest was in the
  gateway.
- **What the broker loses** after it has acknowledged, and **what was never heard**: radio loses
  frames."""
ON_PEERS: Final = """\
Each of these was found in a system that many trust, and stands in its public tracker or in its
documents. It is made here as it was there, by a few lines of a copy of ugw, and the tests named
are those that such an implementation fails."""
ON_PLANTED: Final = """\
`make planted` does it: a copy of the tree, the change, the tests, the verdict. A test that is
green with its defect makes it fail."""
ON_LATER: Final = """\
Faults of things that ugw does not have yet; each comes with the thing."""
TRACKERS: Final = MappingProxyType(
    {
        "EMQX Neuron": "emqx/neuron",
        "Kura": "eclipse-kura/kura",
        "MQTTnet": "dotnet/MQTTnet",
        "NanoMQ": "nanomq/nanomq",
        "Telegraf": "influxdata/telegraf",
        "ThingsBoard": "thingsboard/thingsboard",
        "ThingsBoard Gateway": "thingsboard/thingsboard-gateway",
        "Vector": "vectordotdev/vector",
        "mosquitto": "eclipse-mosquitto/mosquitto",
    }
)
_LIKE: Final = re.compile(r"(?P<who>[^#]+?)(?: (?P<numbers>#\d+(?:, #\d+)*))?")


def page() -> str:
    """Write the page."""
    return page_of(catalogue.FAMILIES, planted.DEFECTS, catalogue.LATER)


def page_of(
    families: Mapping[str, Sequence[Fault]], defects: Sequence[Defect], later: Sequence[Later]
) -> str:
    """Write it of these. Raises MissingWordsError for a defect like nobody knows whose."""
    return put_together("What ugw survives", SOURCE, _parts(families, defects, later))


def _parts(
    families: Mapping[str, Sequence[Fault]], defects: Sequence[Defect], later: Sequence[Later]
) -> Iterator[str]:
    yield INTRODUCTION
    yield f"## What is promised\n\n{PROMISE}"
    yield f"## How it is proven\n\n{PROOF}"
    yield f"## See it yourself\n\n{RUNNING}"
    yield f"## What is not survived\n\n{LIMITS}"
    for family, faults in families.items():
        yield f"## {family}\n\n{_faults(faults)}"
    theirs = [defect for defect in defects if defect.like]
    yield f"## Bugs others had\n\n{ON_PEERS}\n\n{_peers(theirs)}"
    ours = [defect for defect in defects if not defect.like]
    yield f"## Defects that are planted\n\n{ON_PLANTED}\n\n{_planted(ours)}"
    yield f"## What comes later\n\n{ON_LATER}\n\n{_later(later)}"


# ----------------------------------------------------------------------------------------- faults
def _faults(faults: Sequence[Fault]) -> str:
    rows = [
        (f"**{fault.name}**", fault.happens, fault.lost, ", ".join(_shown_by(fault)))
        for fault in faults
    ]
    return table(("fault", "what happens", "what is lost", "shown by"), rows)


def _shown_by(fault: Fault) -> Iterator[str]:
    files = list(dict.fromkeys(test.partition("::")[0] for test in fault.tests))
    if files:
        named = " ".join(files[:_TYPED])
        quote = "'" if " " in named else ""
        yield f"`make test TESTS={quote}{named}{quote}`"
    if fault.scenario:
        yield f"`ugw simulate {fault.scenario}`"
    if fault.soak:
        yield f"`{fault.soak}`"
    if more := [f"[{PurePosixPath(file).stem}]({UP}/{file})" for file in files[_TYPED:]]:
        yield f"and in {', '.join(more)}"


def _later(rows: Sequence[Later]) -> str:
    return table(("fault", "why not yet"), [(later.name, later.why) for later in rows])


# ---------------------------------------------------------------------------------------- defects
def _peers(defects: Iterable[Defect]) -> str:
    rows = [(_tracker(defect.like), defect.name, _tests(defect.red)) for defect in defects]
    return table(("whose", "what it does", "what fails"), rows)


def _planted(defects: Iterable[Defect]) -> str:
    rows = [(defect.name, f"`{defect.file}`", _tests(defect.red)) for defect in defects]
    return table(("an agent that", "planted in", "what goes red"), rows)


def _tests(tests: Iterable[str]) -> str:
    """Link each test by its sentence."""
    return "; ".join(f"[{_sentence(test)}]({UP}/{test.partition('::')[0]})" for test in tests)


def _sentence(test: str) -> str:
    file, *names = test.split("::")
    if names[-1] == "runTest":  # a state machine: what it is about, its folder says
        return f"the state machine of {PurePosixPath(file).parent.name}"
    return names[-1].removeprefix("test_").replace("_", " ")


def _tracker(like: str) -> str:
    """Link each issue: "Vector #25767, #25845". Raises MissingWordsError for one unknown."""
    return "; ".join(map(_issues, like.split("; ")))


def _issues(like: str) -> str:
    found = _LIKE.fullmatch(like)
    if not found or found["who"] not in TRACKERS:
        message = f"tools/docs/survival.py, TRACKERS: where is {like!r}?"
        raise MissingWordsError(message)
    if not found["numbers"]:
        return found["who"]  # its documents say so
    where = f"https://github.com/{TRACKERS[found['who']]}/issues"
    links = (f"[{number}]({where}/{number[1:]})" for number in found["numbers"].split(", "))
    return f"{found['who']} {', '.join(links)}"
