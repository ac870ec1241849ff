"""`ugw backlog`: what waits on disk for the broker, and what it will never take.

Figures can be had of a running agent; to look into the store, or to change it, it must be stopped.
"""

import os
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress

from gateway.backlog import inspection
from gateway.backlog.inspection import Inspection
from gateway.bundle import Identity, Renderer
from gateway.cli import backlog_page, local_agent
from gateway.cli.configuration import DEFAULT, ConfigOption, JsonOption, agent_of, load_settings
from gateway.cli.local_agent import Status
from gateway.cli.preflight.store import agent_runs
from gateway.cli.terminal import confirmed, facts, note, print_json, show, table
from gateway.clock import ClockState, SystemClock
from gateway.config import Settings
from gateway.errors import UgwError
from gateway.exit_codes import ExitCode
from gateway.model import Moment, ObservationClass

app = typer.Typer(
    name="backlog",
    help="Look into what waits on disk, take it out, or give it up.",
    no_args_is_help=True,
)
asides = typer.Typer(
    name="set-aside",
    help="What the broker refused for good: look at it, try it again, or give it up.",
    no_args_is_help=True,
)
app.add_typer(asides)

YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")
]
IdsArgument = Annotated[list[int], typer.Argument(metavar="ID...", help="As `list` shows them.")]

_PRIVATE: Final = 0o600  # what sensors say is nobody's business
_STDOUT: Final = Path("-")


# ----------------------------------------------------------------------------------- looking at it
@app.command()
def stats(config: ConfigOption = DEFAULT, *, as_json: JsonOption = False) -> None:
    """Show how much waits.

    A running agent is asked; otherwise the store is read.

    [bold]Examples[/bold]

      ugw backlog stats
      ugw backlog stats --json | jq '.observations'
    """
    where = agent_of(config)
    if agent_runs(where.store.path):
        answer, _ = local_agent.ask(where, "/status", Status)
        figures = backlog_page.of_agent(answer)
    else:
        settings, _ = load_settings(config)
        with _opened(settings) as store:
            figures = backlog_page.of_store(store.stats(), SystemClock(settings.clock.source))
    if as_json:
        print_json(figures)
    else:
        show(facts(backlog_page.lines(figures)))


@app.command()
def peek(
    config: ConfigOption = DEFAULT,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Bundles.", min=1, max=1000)] = 5,
    newest: Annotated[
        bool, typer.Option("--newest", help="The newest instead of the oldest.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the bundles that would be sent next.

    The agent must be stopped. With --json they are the messages as they would be sent
    (docs/reference/schema.md).

    [bold]Examples[/bold]

      ugw backlog peek
      ugw backlog peek --newest --limit 1 --json | jq '.[].observations[].device'
    """
    settings, _ = load_settings(config)
    render = _renderer(settings)
    with _opened(settings) as store:
        kept = store.peek(limit, newest=newest)
    messages = [backlog_page.decoded(render.render(each.bundle)) for each in kept]
    if as_json:
        print_json(messages)
    elif messages:
        show(table(backlog_page.OBSERVATIONS, backlog_page.observations(messages)))
    else:
        print("the backlog is empty")


@app.command()
def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to; - is standard output.")
    ] = _STDOUT,
    *,
    config: ConfigOption = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write all that waits, and all that was set aside, as messages: one per line, as sent.

    The store stays as it is, so whoever imports the messages has to deduplicate, as always:
    (stream, seq, observedProperty, channel). The agent must be stopped.

    [bold]Examples[/bold]

      ugw backlog export /media/stick/gw-kiel-0042.ndjson
      ugw backlog export | gzip > gw-kiel-0042.ndjson.gz
    """
    settings, _ = load_settings(config)
    with _opened(settings) as store, _output(file, force=force) as output:
        bundles, observations = _write(store, _renderer(settings), output)
    note(f"{bundles} bundles with {observations} observations written; the store has them still")


def _write(store: Inspection, render: Renderer, output: IO[bytes]) -> tuple[int, int]:
    figures = store.stats()
    total = figures.bundles + figures.asides
    bundles = observations = 0
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("writing", total=total)
        for each in store.export():
            output.write(render.render(each.bundle) + b"\n")
            bundles += 1
            observations += len(each.bundle.entries)
            progress.update(task, advance=1)
    return bundles, observations


@contextmanager
def _output(file: Path, *, force: bool) -> Generator[IO[bytes]]:
    if file == _STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(file, flags, _PRIVATE)
    except FileExistsError:
        cause = f"{file} is there already"
        raise UgwError(cause, "choose another name, or --force") from None
    except OSError as error:
        raise _not_written(file, error) from None
    try:
        with os.fdopen(descriptor, "wb") as output:
            yield output
            output.flush()
            os.fsync(output.fileno())
    except OSError as error:
        raise _not_written(file, error) from None


def _not_written(file: Path, error: OSError) -> UgwError:
    cause = f"{file} cannot be written: {error.strerror}"
    return UgwError(cause, "is it the right folder, and is there room?")


# ---------------------------------------------------------------------------------- giving it up
@app.command()
def purge(
    config: ConfigOption = DEFAULT,
    *,
    klass: Annotated[
        str, typer.Option("--class", help="Only routine, or only event.", metavar="CLASS")
    ] = "",
    stream: Annotated[str, typer.Option(help="Only this stream.", metavar="ID")] = "",
    yes: YesOption = False,
) -> None:
    """Give up what waits, for good.

    The agent must be stopped. The platform will be told: each number is declared as lost, with
    the reason "purged", once the agent runs again. To keep a copy, export it first.

    [bold]Examples[/bold]

      ugw backlog purge --class routine
      ugw backlog purge --yes
    """
    wanted = _class(klass)
    settings, _ = load_settings(config)
    with _opened(settings) as store:
        found = store.stats()
        waiting = found.observations if wanted is None else found.classes.get(wanted, (0, 0))[1]
        waiting = found.streams.get(stream, 0) if stream else waiting
        if not waiting:
            print("nothing of it waits")
            return
        if not confirmed(f"Give up about {waiting} observations for good?", yes=yes):
            raise typer.Exit(ExitCode.FAILED)
        gone = store.purge(_now(settings), klass=wanted, stream=stream or None)
    print(f"{gone.observations} observations in {gone.bundles} bundles given up, and declared")


def _class(text: str) -> ObservationClass | None:
    match text:
        case "":
            return None
        case "routine" | "event":
            return text
        case _:
            cause = f"{text!r} is neither routine nor event"
            raise typer.BadParameter(cause, param_hint="--class")


# ------------------------------------------------------------------------------------- set aside
@asides.command("list")
def list_(config: ConfigOption = DEFAULT, *, as_json: JsonOption = False) -> None:
    """List what was set aside, and why.

    The agent must be stopped. A message is set aside when the broker refuses it for good.

    [bold]Examples[/bold]

      ugw backlog set-aside list
      ugw backlog set-aside list --json | jq '.[].reason'
    """
    settings, _ = load_settings(config)
    with _opened(settings) as store:
        found = store.asides()
    clock = SystemClock(settings.clock.source)
    if as_json:
        print_json([backlog_page.aside_data(each, clock) for each in found])
    elif found:
        rows = (backlog_page.aside_row(each, clock) for each in found)
        show(table(backlog_page.ASIDES, rows))
    else:
        print("nothing was set aside")


@asides.command("show")
def show_(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `list` shows it.")],
    config: ConfigOption = DEFAULT,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one of them: why it was refused, and what is in it.

    The agent must be stopped.

    [bold]Examples[/bold]

      ugw backlog set-aside show 3
      ugw backlog set-aside show 3 --json
    """
    settings, _ = load_settings(config)
    with _opened(settings) as store:
        found = {each.id: each for each in store.asides()}
    if number not in found:
        cause = f"nothing with the number {number} was set aside"
        raise UgwError(cause, "ugw backlog set-aside list")
    chosen = found[number]
    message = backlog_page.decoded(_renderer(settings).render(chosen.aside.bundle))
    clock = SystemClock(settings.clock.source)
    if as_json:
        print_json({**backlog_page.aside_data(chosen, clock), "message": message})
        return
    show(facts(zip(backlog_page.ASIDES, backlog_page.aside_row(chosen, clock), strict=True)))
    print()
    show(table(backlog_page.OBSERVATIONS, backlog_page.observations([message])))


@asides.command()
def requeue(ids: IdsArgument, config: ConfigOption = DEFAULT) -> None:
    """Put some of them back into the backlog, to be sent again.

    The agent must be stopped. It makes sense once the cause is mended at the broker.

    [bold]Examples[/bold]

      ugw backlog set-aside requeue 3 4
    """
    settings, _ = load_settings(config)
    with _opened(settings) as store:
        _tell(store.requeue(ids), ids, "put back into the backlog")


@asides.command()
def drop(ids: IdsArgument, config: ConfigOption = DEFAULT, *, yes: YesOption = False) -> None:
    """Give some of them up, for good.

    The agent must be stopped. They are declared as lost once it runs again.

    [bold]Examples[/bold]

      ugw backlog set-aside drop 3 --yes
    """
    settings, _ = load_settings(config)
    with _opened(settings) as store:
        if not confirmed(f"Give up {len(set(ids))} bundles for good?", yes=yes):
            raise typer.Exit(ExitCode.FAILED)
        _tell(store.drop_asides(ids, _now(settings)), ids, "given up, and declared")


def _tell(done: int, ids: list[int], what: str) -> None:
    print(f"{done} bundles {what}")
    if done < len(set(ids)):
        missing = len(set(ids)) - done
        cause = f"{missing} of these numbers are not there"
        raise UgwError(cause, "ugw backlog set-aside list")


# ----------------------------------------------------------------------------------- what it takes
def _opened(settings: Settings) -> AbstractContextManager[Inspection]:
    """Open the store; BacklogError says that an agent has it, or what is wrong with it."""
    return inspection.opened(settings.store.path, max_bytes=settings.store.max_size_bytes)


def _renderer(settings: Settings) -> Renderer:
    """Return what makes messages of bundles, with what is known of the time now."""
    identity = Identity(settings.gateway.org, settings.gateway.id)
    return Renderer(identity, SystemClock(settings.clock.source))


def _now(settings: Settings) -> Moment:
    clock: Any = SystemClock(settings.clock.source)
    at_ns, believed = clock.boot_ns(), clock.reading().state is not ClockState.UNSYNCED
    return Moment(clock.boot_id, at_ns, clock.wall_ns() - at_ns if believed else None)
