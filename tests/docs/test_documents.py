"""What the documents say is so: links resolve, commands exist, configurations load.

Each check is a function from a document to its findings, and is first shown one that is wrong.
"""

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import msgspec
import pytest
import trustme

from gateway.cli.main import main
from gateway.config import load
from gateway.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ["Objective", "Why", "Decision", "Is / Is not", "Consequences", "Status"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(?:\$ |sudo -u ugw )?(?:(?:/opt/ugw/)?\.venv/bin/)?(ugw|make) (.+)")
OPTION = re.compile(r"--[a-z][a-z0-9-]*")
ETC = re.compile(r"/etc/ugw/([\w./-]+)")
KEY = "c0ffee" + 26 * "0"
VARIABLE = re.compile(r"\benv:(\w+)")
WORD = re.compile(r"[a-z][a-z0-9-]*")
OUTPUT = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class Document(msgspec.Struct, frozen=True):
    """One Markdown file: where it stands and what it says."""

    path: Path
    text: str

    @property
    def prose(self) -> str:
        """The text without its blocks of code."""
        return "\n".join(line for line, is_code in _lines(self.text) if not is_code)

    @property
    def headings(self) -> list[str]:
        """The headings, without their marks."""
        return re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)

    @property
    def commands(self) -> Iterator[tuple[str, str]]:
        """What is shown to be typed: the program and the rest of the line."""
        typed = OUTPUT.sub("", self.text)
        lines = [line for line, is_code in _lines(typed) if is_code]
        for code in [*lines, *SPAN.findall(self.prose)]:
            shown = code.split(" #")[0].strip()
            if found := COMMAND.fullmatch(shown):
                yield found[1], QUOTED.sub("TEXT", found[2])
            # What one command is to run: ugw simulate FILE --run "ugw run --config {config}"
            for quoted in QUOTED.finditer(shown) if found else ():
                if within := COMMAND.fullmatch(quoted[1] or quoted[2] or ""):
                    yield within[1], within[2]

    @property
    def configurations(self) -> list[str]:
        """The blocks of YAML that are whole configurations."""
        blocks = re.findall(r"^```yaml\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        return [block for block in blocks if "config_version:" in block]


Check = Callable[[Document], Iterator[str]]


def _documents() -> list[Document]:
    found = [path for top in ("*.md", "[!.]*/**/*.md") for path in ROOT.glob(top)]
    return [Document(path, path.read_text()) for path in sorted(found)]


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is code: between fences, or indented by four."""
    fenced = False
    for line in text.splitlines():
        fence = line.startswith("```")
        fenced ^= fence
        if not fence:
            yield line, fenced or line.startswith("    ")


# ---------------------------------------------------------------------------------------- checks
def links_resolve(document: Document) -> Iterator[str]:
    """Point each link at a file of the repository, and at a heading that is in it."""
    for link in LINK.findall(SPAN.sub("", document.prose)):
        name, _, anchor = link.partition("#")
        target = (document.path.parent / name).resolve() if name else document.path
        if re.match(r"[a-z]+:", link):
            continue  # the web's own business; a test asks no network
        if not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in _anchors(target, document):
            yield f"{link}: there is no such heading"


def _anchors(target: Path, document: Document) -> set[str]:
    there = document if target == document.path else Document(target, target.read_text())
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in there.headings)
    return {heading.replace(" ", "-") for heading in kept}


def commands_exist(document: Document) -> Iterator[str]:
    """Show commands as they are: `make help` and `ugw --help` list them."""
    for program, arguments in document.commands:
        wrong = _make(arguments) if program == "make" else _ugw(arguments)
        if wrong:
            yield f"{program} {arguments}: {wrong}"


def _make(arguments: str) -> str:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    unknown = {word for word in arguments.split() if WORD.fullmatch(word)} - targets
    return f"no target {', '.join(sorted(unknown))}" if unknown else ""


def _ugw(arguments: str) -> str:
    words: list[str] = []
    for word in arguments.split():
        if not WORD.fullmatch(word):
            break
        words.append(word)
    if words == ["simulate"]:  # `ugw simulate FILE` is short for it, whatever the file is called
        words.append("play")
    code, said = _help(*words)
    if code:
        return "no such command"
    unknown = set(OPTION.findall(arguments)) - set(OPTION.findall(said)) - {"--help"}
    return f"no option {', '.join(sorted(unknown))}" if unknown else ""


@cache
def _help(*words: str) -> tuple[int, str]:
    """Ask in this process: there are dozens, and a process each takes half a minute."""
    said = io.StringIO()
    plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    with (
        patch.dict(os.environ, plain),
        redirect_stdout(said),
        redirect_stderr(io.StringIO()),
        pytest.raises(SystemExit) as ended,
    ):
        main([*words, "--help"])
    return int(ended.value.code or 0), said.getvalue()


def configurations_load(document: Document) -> Iterator[str]:
    """Show configurations that work: what a reader copies must not be refused."""
    for text in document.configurations:
        with TemporaryDirectory() as folder:
            try:
                _load(text, Path(folder))
            except ConfigError as error:
                yield str(error)


def _load(text: str, etc: Path) -> None:
    """Load it on a machine that has the files and variables it speaks of."""
    for name in set(ETC.findall(text)):
        file = etc / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(_secrets().get(file.suffix, KEY.encode()))
    there = etc / "gateway.yaml"
    there.write_text(text.replace("/etc/ugw/", f"{etc}/"))
    load(there, environ=dict.fromkeys(VARIABLE.findall(text), KEY))


@cache
def _secrets() -> dict[str, bytes]:
    gateway = trustme.CA().issue_cert("gateway.example")
    # A pair: it does for an authority too, of which only the form is looked at.
    certificate = gateway.cert_chain_pems[0].bytes()
    return {".pem": certificate, ".key": gateway.private_key_pem.bytes()}


def a_decision_has_its_sections(document: Document) -> Iterator[str]:
    """Give a record these, in this order: Objective to Status."""
    if document.path.parent.name == "decisions" and document.headings[1:] != SECTIONS:
        yield f"sections are {document.headings[1:]}"


# ----------------------------------------------------------------------------------------- tests
def _shown(text: str, name: str = "README.md") -> Document:
    return Document(ROOT / name, text)


CONFIGURATION = """
config_version: 1
gateway: {org: kiel, id: gw-kiel-0042}
mqtt: {host: broker.example, tls: {ca: /etc/ugw/ca.pem}, username: "env:A", password: "env:B"}
store: {path: /var/lib/ugw, max_size: 512MB}
transports:
  - {kind: ble, adapter: hci0}
devices:
  - {address: "C0:FF:EE:00:00:01", name: Lessingplatz}
  - {address: "C0:FF:EE:00:00:02", key: "file:/etc/ugw/keys/2"}
"""
WRONG: list[tuple[Check, Document]] = [
    (links_resolve, _shown("[a](docs/nowhere.md)")),
    (links_resolve, _shown("[a](docs/README.md#nowhere)")),
    (links_resolve, _shown("# Here\n\n[a](#there)")),
    (commands_exist, _shown("`make tea`")),
    (commands_exist, _shown("```\n$ make tea BROKER=x\n```")),
    (commands_exist, _shown("    make tea  # now")),
    (commands_exist, _shown("`ugw brew`")),
    (commands_exist, _shown("    sudo -u ugw /opt/ugw/.venv/bin/ugw brew")),
    (commands_exist, _shown("`ugw backlog set-aside brew --sugar`")),
    (commands_exist, _shown("`ugw run --sugar`")),
    (commands_exist, _shown("    ugw simulate street.yaml --sugar")),
    (commands_exist, _shown("    ugw simulate street.yaml --run 'ugw run --sugar'")),
    (configurations_load, _shown("```yaml\nconfig_version: 1\nsugar: 2\n```")),
    (a_decision_has_its_sections, _shown("# 1: A\n\n## Why\n", "docs/decisions/1.md")),
]
RIGHT: list[tuple[Check, Document]] = [
    (links_resolve, _shown("[a](docs/README.md#decisions), `[b](c)`, [c](https://example.org/d)")),
    (commands_exist, _shown("    ugw backlog set-aside drop 3 --yes  # given up")),
    (commands_exist, _shown("    ugw simulate street.yaml --tui")),
    (commands_exist, _shown("    ugw simulate quick --seed 7")),
    (commands_exist, _shown("```text\nugw ended with code 0\n```")),
    (commands_exist, _shown("Please make tea: `make demo BROKER=host:port` and `make`")),
    (configurations_load, _shown(f"```yaml\n{CONFIGURATION}```")),
]
CHECKS = list(dict.fromkeys(check for check, _ in WRONG))


@pytest.mark.parametrize(("check", "document"), WRONG)
def test_a_check_sees_what_is_wrong(check: Check, document: Document) -> None:
    assert list(check(document))


@pytest.mark.parametrize(("check", "document"), RIGHT)
def test_a_check_lets_pass_what_is_right(check: Check, document: Document) -> None:
    assert not list(check(document))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_documents_are_right(check: Check) -> None:
    findings = [
        f"{document.path.relative_to(ROOT)}: {finding}"
        for document in _documents()
        for finding in check(document)
    ]
    assert not findings, "\n".join([*findings, f"The remedy: {check.__doc__}"])


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        links = LINK.findall(Document(path, path.read_text()).prose)
        targets = [(path.parent / link.partition("#")[0]).resolve() for link in links]
        waiting += [target for target in targets if target.suffix == ".md" and target.exists()]
    lost = [str(each.path.relative_to(ROOT)) for each in _documents() if each.path not in reached]
    assert not lost, f"Link these from docs/README.md: {lost}"


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    changelog = Document(ROOT / "CHANGELOG.md", (ROOT / "CHANGELOG.md").read_text())
    assert changelog.headings[1] == "Unreleased"
