"""Vendors' JavaScript codecs: run where they can do no harm, mapped to our vocabulary.

    worker    the other process: vendors' code in it, and nothing that is worth breaking into
    workshop  this process's end of it: frames in, answers out, dead workers replaced
    output    what a codec returned, flattened: paths and exact values
    rules     what of it means what: the map that stands in the configuration
    proposals what a map could say, for people to look at; never used by itself
    trial     one codec tried out, for `ugw decode`

A codec is somebody else's program. It may loop, hoard, throw or lie; that costs its own device a
counted refusal (`codec_error`, `codec_limit`) and nobody else anything.
"""

import importlib.util
from typing import Final

MODEL: Final = "javascript"  # what the driver of such a device is called
ENGINE: Final = "quickjs"  # what the package quickjs-ng is imported by, in the worker alone
EXTRA: Final = (  # of ugw's own name no index of packages knows
    "in the checkout: .venv/bin/python -m pip install --no-build-isolation '.[codecs]'"
)
MAX_SOURCE_BYTES: Final = 1_000_000  # of a codec's file; the largest published ones have half


def engine_installed() -> bool:
    """Whether codecs can be run at all; nothing is imported to find out."""
    return importlib.util.find_spec(ENGINE) is not None
