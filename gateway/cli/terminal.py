"""What is said to people, on standard error: in colours on a terminal, unless NO_COLOR is set.

Data goes to standard output by `print`. Nothing here interprets what it is given: a file's content
cannot style or drive the terminal.
"""

import json
import sys

from rich.console import Console
from rich.text import Text

from gateway.config.findings import Finding, InvalidConfigError, printable
from gateway.errors import UgwError

_MANY = 100  # findings; more are not read


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


def print_json(data: object) -> None:
    """Print data for programs."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


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
