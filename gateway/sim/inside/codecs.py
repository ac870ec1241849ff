"""Vendors' codecs in this process: the worker's own engine, without the process around it.

It is only as confined as the engine confines it, which is enough for the codecs of one's own
tests, and not for a stranger's.
"""

import os
from typing import TYPE_CHECKING, Self

import msgspec

from gateway.codecs.output import Output
from gateway.codecs.workshop import Codec, Input, Reply, output_of

if TYPE_CHECKING:
    from gateway.codecs.worker import Bench


class InsideWorker:
    """Who runs codecs: `gateway.codecs.workshop.Hand`."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench

    @classmethod
    async def start(cls) -> Self:
        """Start one; the engine is loaded where it is wanted."""
        from gateway.codecs.worker import Bench  # noqa: PLC0415

        return cls(Bench())

    @property
    def pid(self) -> int:
        """This process."""
        return os.getpid()

    async def ask(self, codec: Codec, given: Input) -> Output:
        """Run a codec once. Raises CodecError."""
        request = {"codec": codec.key, "source": codec.source, "input": msgspec.to_builtins(given)}
        return output_of(msgspec.convert(self._bench.serve(request), Reply))

    async def end(self) -> None:
        """Be gone."""
