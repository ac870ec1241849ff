"""How work on a card or a board can end badly. Each says its cause, its remedy, its exit code.

The numbers are those of gateway.exit_codes: one table for every command there is.
"""

from gateway.errors import UgwError
from gateway.exit_codes import ExitCode


class RefusedError(UgwError):
    """Refused for safety; nothing was written."""

    exit_code = ExitCode.REFUSED


class NotWrittenError(UgwError):
    """Writing or reading back failed; the text says what state the card or board is in."""

    exit_code = ExitCode.NOT_WRITTEN


class NoDeviceError(UgwError):
    """The card, the board or its port is not there, or went away."""

    exit_code = ExitCode.NO_DEVICE


class BadMaterialError(UgwError):
    """An image, a firmware, a package, a bundle or a claim is not what it should be."""

    exit_code = ExitCode.BAD_MATERIAL


class PartlyDoneError(UgwError):
    """Some of a batch are done and some are not."""

    exit_code = ExitCode.PARTLY
