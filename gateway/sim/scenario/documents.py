"""Scenarios as documents: what was given, written so that it can be read again."""

import io
from collections.abc import Mapping
from typing import Any, Final

from ruamel.yaml import YAML

_WIDTH: Final = 1000  # an entry in a line


def yaml_text(document: Mapping[str, Any], comment: str = "") -> str:
    """Write a document as YAML, with a comment above it."""
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = _WIDTH
    text = io.StringIO()
    yaml.dump(dict(document), text)  # pyright: ignore[reportUnknownMemberType]
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return f"{head}\n{text.getvalue()}" if comment else text.getvalue()
