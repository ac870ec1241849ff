"""What is said to people: in colours on a terminal, unless NO_COLOR is set.

Talk goes to standard error, data to standard output: tables by `show`, JSON by `print_json`.
Nothing here interprets what it is given: a file's content cannot style or drive the terminal.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.config.findings import Finding, InvalidConfigError, printable
from gateway.errors import UgwError

_MANY = 100  # findings; more are not read
_UNFOLDED: Final = 1000  # columns, where nobody looks on


def report(error: UgwError) -> None:
    """Say what went wrong, and what to do about it."""
    console = _console()
    if isinstance(error, InvalidConfigError):
        for finding in error.findings[:_MANY]:
            console.print(_styled(finding))
        console.print(Text(_count(len(error.findings)), "bold red"))
    else:
        console.print(Text.assemble(("error: ", "bold red"), str(error)))
    if error.remedy:
        console.print(Text(error.remedy))


def _count(errors: int) -> str:
    if errors > _MANY:
        return f"{errors} errors, of which the first {_MANY} are shown"
    return f"{errors} error{'s' if errors > 1 else ''}"


def note(text: str) -> None:
    """Say what works, but perhaps not as it was meant."""
    _console().print(Text.assemble(("note: ", "bold yellow"), text))


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask a person, unless the answer was given on the command line.

    Without a terminal nobody is asked: then `--yes` is needed, and UgwError says so.
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        cause = "this cannot be undone, and there is no terminal to ask at"
        raise UgwError(cause, "say --yes")
    _console().print(Text.assemble((question, "bold yellow"), " [y/N] "), end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_json(data: object) -> None:
    """Print data for programs."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def show(what: RenderableType) -> None:
    """Print data for people: folded to the terminal, where there is one, else left as it is."""
    # Where the locale has no such character, a question mark will do.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    width = None if sys.stdout.isatty() else _UNFOLDED
    console = Console(highlight=False, emoji=False, width=width)
    with console.capture() as captured:
        console.print(what)
    for line in captured.get().splitlines():
        print(line.rstrip())


Cell = str | Text


def table(
    headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: Sequence[str] = ()
) -> Table:
    """Lay out a table; columns named in `right` hold numbers. What is too wide is folded."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in headings:
        justify: JustifyMethod = "right" if heading in right else "left"
        made.add_column(heading, justify=justify, overflow="fold")
    for row in rows:
        made.add_row(*map(plain, row))
    return made


def facts(rows: Iterable[tuple[str, Cell]], *, width: int = 0) -> Table:
    """Lay out titled lines; an empty title goes on with the one above."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim", min_width=width)
    grid.add_column(overflow="fold")
    for title, text in rows:
        grid.add_row(title, plain(text))
    return grid


def plain(cell: Cell) -> Text:
    """Return text that is shown as it is: nothing in it is markup, or drives the terminal."""
    return cell if isinstance(cell, Text) else Text(printable(cell))


def _console() -> Console:
    return Console(file=sys.stderr, highlight=False, soft_wrap=True, emoji=False)


def _styled(finding: Finding) -> Text:
    parts = ((finding.place, ""), (finding.path, "cyan"), (finding.message, "bold"))
    shown = [Text(printable(part), style) for part, style in parts if part]
    text = Text(": ").join(shown)
    if finding.quotation:
        line, caret = finding.quotation.split("\n")
        text.append(f"\n{line}\n", "dim").append(caret, "red")
    return text
