"""A capture in bulk: lines of JSON in, for each exactly one line of JSON out, at once.

A line that cannot be read is answered like any other (`"refused":"bad_input: ..."`); nothing that
stands in one ends the stream. What is held is one line, and no line is longer than MOST_BYTES.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final

from gateway.cli.decode_answer import BAD_INPUT, Answer, Decoder
from gateway.cli.decode_input import InputError, from_line
from gateway.config.findings import printable
from gateway.errors import UgwError

MOST_BYTES: Final = 1 << 20


def answers(decoder: Decoder, lines: BinaryIO) -> Iterator[str]:
    """Yield the answer to each line."""
    while line := lines.readline(MOST_BYTES):
        if len(line) == MOST_BYTES and not line.endswith(b"\n"):
            _skip(lines)
            yield _unread(f"a line is at most {MOST_BYTES} bytes long").line()
        else:
            yield answer(decoder, line).line()


def answer(decoder: Decoder, line: bytes) -> Answer:
    """Return the answer to one line, whatever stands in it."""
    try:
        return decoder.answer(from_line(line))
    except (InputError, UgwError) as error:
        return _unread(str(error))


def _unread(why: str) -> Answer:
    return Answer(refused=BAD_INPUT + printable(why))


def _skip(lines: BinaryIO) -> None:
    """Read on to the end of the line."""
    while (rest := lines.readline(MOST_BYTES)) and not rest.endswith(b"\n"):
        pass
