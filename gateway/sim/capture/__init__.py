"""Captures: what a gateway's radios heard, recorded, replayed, and decoded in tests.

`read` and `Writer` are for the files (`format` says what stands in them), `golden` is for tests:
this capture must decode to these readings. `open_source` reads dumps of others as well.
"""

from gateway.sim.capture.file import CaptureError, CaptureFile, Heard, Writer, read
from gateway.sim.capture.format import SCHEMA, Header, Record
from gateway.sim.capture.readings import golden
from gateway.sim.capture.sources import Source, open_source

__all__ = [
    "SCHEMA",
    "CaptureError",
    "CaptureFile",
    "Header",
    "Heard",
    "Record",
    "Source",
    "Writer",
    "golden",
    "open_source",
    "read",
]
