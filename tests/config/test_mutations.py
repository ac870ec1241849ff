"""Whatever is done to a good file, it loads or its faults are listed, and no secret shows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config import InvalidConfigError, load
from tests.config.conftest import takes_all

SECRET = "correct-horse-battery"  # noqa: S105 - a test's

Mutation = Callable[[str], str]


def _cut(at: int, length: int) -> Mutation:
    return lambda text: text[: at % len(text)] + text[at % len(text) + length :]


def _insert(at: int, what: str) -> Mutation:
    return lambda text: text[: at % len(text)] + what + text[at % len(text) :]


def _move_line(source: int, target: int, indent: int) -> Mutation:
    def mutate(text: str) -> str:
        lines = text.split("\n")
        lines.insert(target % len(lines), " " * indent + lines.pop(source % len(lines)).lstrip())
        return "\n".join(lines)

    return mutate


def _repeat_line(source: int, target: int) -> Mutation:
    def mutate(text: str) -> str:
        lines = text.split("\n")
        lines.insert(target % len(lines), lines[source % len(lines)])
        return "\n".join(lines)

    return mutate


SOMEWHERE = st.integers(0, 10_000)
_YAML = "\t : - [ ] { } &a *a !x | > ' \" # --- %YAML ? << ~ null 0 -1 1e9 \0 \x1b[31m \\"
SNIPPETS = st.sampled_from([*_YAML.split(" "), "\n", ": ", "- ", "|\n", ">\n", "---\n"])
MUTATIONS = st.lists(
    st.builds(_cut, SOMEWHERE, st.integers(1, 40))
    | st.builds(_insert, SOMEWHERE, SNIPPETS | st.text(max_size=5))
    | st.builds(_move_line, SOMEWHERE, SOMEWHERE, st.integers(0, 8))
    | st.builds(_repeat_line, SOMEWHERE, SOMEWHERE),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="session")
def bare_example(example: str) -> str:
    """Return the example without explanations, which take most mutations for nothing."""
    return "\n".join(line for line in example.split("\n") if not line.lstrip().startswith("# "))


def outcome(path: Path, text: str) -> str:
    """Load a text; what was said about it, empty if nothing was wrong."""
    path.write_bytes(text.encode(errors="surrogatepass"))
    try:
        load(
            path,
            drivers=("cayenne-lpp",),
            modems={"reyax-rylr998": takes_all},
            environ={"UGW_MQTT_PASSWORD": "x"},
        )
    except InvalidConfigError as error:
        assert error.findings
        assert all(finding.message for finding in error.findings)
        return str(error)
    return ""


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(mutations=MUTATIONS)
def test_a_mutated_file_loads_or_its_faults_are_listed(
    bare_example: str, tmp_path: Path, mutations: list[Mutation]
) -> None:
    text = bare_example
    for mutate in mutations:
        text = mutate(text or "x")

    said = outcome(tmp_path / "gateway.yaml", text)
    assert all(char.isprintable() or char == "\n" for char in said)


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    key=st.sampled_from(["  password: ", "  pasword: ", "  username: ", "  client_secret: "]),
    quote=st.sampled_from(["", "'", '"']),
    mutations=MUTATIONS,
)
def test_no_mutation_elsewhere_brings_a_secret_to_light(
    bare_example: str, tmp_path: Path, key: str, quote: str, mutations: list[Mutation]
) -> None:
    above, below = bare_example.split("  username:", 1)
    for mutate in mutations:
        above = mutate(above or "x")
    text = f"{above.rstrip()}\n{key}{quote}{SECRET}{quote}\n  username:{below}"

    assert SECRET not in outcome(tmp_path / "gateway.yaml", text)
