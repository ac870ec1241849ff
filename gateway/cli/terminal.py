"""What is said to people, on standard error: in colours on a terminal, unless NO_COLOR is set.

Data goes to standard output by `print`. Nothing here interprets what it is given: a file's content
cannot style or drive the terminal.
"""

import json
import sys

from rich.console import Console
from rich.text import Text

from gateway.config.findings import Finding, InvalidConfigError
from gateway.errors import UgwError


def report(error: UgwError) -> None:
    """Say what went wrong, and what to do about it."""
    console = _console()
    if isinstance(error, InvalidConfigError):
        for finding in error.findings:
            console.print(_styled(finding))
        count = len(error.findings)
        console.print(Text(f"{count} error{'s' if count > 1 else ''}", "bold red"))
    else:
        console.print(Text.assemble(("error: ", "bold red"), str(error)))
    if error.remedy:
        console.print(Text(error.remedy))


def say(text: str, *, style: str = "") -> None:
    """Say one line."""
    _console().print(Text(text, style))


def note(text: str) -> None:
    """Say what works, but perhaps not as it was meant."""
    _console().print(Text.assemble(("note: ", "bold yellow"), text))


def print_json(data: object) -> None:
    """Print data for programs."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def _console() -> Console:
    return Console(file=sys.stderr, highlight=False, soft_wrap=True, emoji=False)


def _styled(finding: Finding) -> Text:
    text = Text.assemble(
        *(
            (f"{part}: ", style)
            for part, style in ((finding.place, ""), (finding.path, "cyan"))
            if part
        ),
        (finding.message, "bold"),
    )
    if finding.quotation:
        line, caret = finding.quotation.split("\n")
        text.append(f"\n{line}\n", "dim").append(caret, "red")
    return text
