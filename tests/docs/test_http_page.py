"""The page on HTTP shows every field that a program can read there."""

import re
from pathlib import Path

import msgspec
import pytest

from gateway.cli.local_agent import Sensor, Status, Value

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/http.md"
SPAN = re.compile(r"`([^`]+)`")


def names(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


@pytest.mark.parametrize("field", [*names(Status), *names(Sensor), *names(Value)])
def test_a_field_is_there(field: str) -> None:
    spans = {span.partition(".")[0].removesuffix("[]") for span in SPAN.findall(PAGE.read_text())}
    assert field in spans
