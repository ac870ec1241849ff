"""What `ugw doctor` shows on a terminal: a line for each link, and the conclusion."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from gateway.cli.doctor.finding import Finding, Light, overall
from gateway.cli.doctor.language import heading, tell
from gateway.cli.doctor.words.labels import LIGHTS, LINKS
from gateway.cli.doctor.words.text import Language
from gateway.config.findings import printable

STYLES: Final = {
    Light.GREEN: "green",
    Light.YELLOW: "bold yellow",
    Light.RED: "bold red",
    Light.UNKNOWN: "dim",
}


def line(finding: Finding, language: Language) -> Table:
    """Lay out a finding: light, link, sentence; below it cause and remedy."""
    told = tell(finding, language)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, min_width=_widest(LIGHTS, language))
    grid.add_column(no_wrap=True, min_width=_widest(LINKS, language))
    grid.add_column(overflow="fold")
    about = f"{printable(finding.about)}: " if finding.about else ""
    light = Text(LIGHTS[finding.light][language], STYLES[finding.light])
    grid.add_row(light, LINKS[finding.link][language], Text(about + told.says))
    if told.cause:
        grid.add_row("", "", Text(told.cause))
    if told.remedy:
        grid.add_row("", "", Text(f"→ {told.remedy}", "bold"))
    return grid


def conclusion(findings: Iterable[Finding], language: Language) -> Text:
    """Say whether there is a green light, and what keeps it away."""
    found = list(findings)
    light = overall(found)
    text = Text(heading(light.value, language), STYLES[light])
    if light is Light.GREEN:
        return text
    counts = (_counted(found, each, language) for each in (Light.RED, Light.YELLOW))
    return text.append(f"\n{'; '.join(filter(None, counts))}", "default")


def _counted(found: list[Finding], light: Light, language: Language) -> str:
    """Return how many are of a light, and which; "" for none."""
    those = [each for each in found if each.light is light]
    names = (printable(each.about) or LINKS[each.link][language] for each in those)
    told = f"{len(those)} {LIGHTS[light][language]}: {', '.join(dict.fromkeys(names))}"
    return told if those else ""


def _widest(labels: Mapping[Any, Mapping[Language, str]], language: Language) -> int:
    return max(len(each[language]) for each in labels.values())
