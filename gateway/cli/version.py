"""`ugw version`: what is installed here."""

import json
import platform
import sys
from typing import Annotated

import typer

from gateway.version import __version__


def version(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False
) -> None:
    """Print the version of ugw, and what it runs on."""
    python = platform.python_version()
    if as_json:
        machine = {"python": python, "system": sys.platform, "machine": platform.machine()}
        print(json.dumps({"version": __version__, **machine}))
    else:
        print(f"ugw {__version__} (Python {python}, {sys.platform} {platform.machine()})")
