"""The exception tree: what ugw raises on purpose, with its cause and, where known, its remedy."""

from typing import ClassVar

from gateway.exit_codes import ExitCode


class UgwError(Exception):
    """What a person can do something about; `str()` names the cause, `remedy` the next step."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    """How a command ends that this error ends."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause)
        self.remedy = remedy


class ConfigError(UgwError):
    """The configuration cannot be used; the text lists every finding with file:line:column."""

    exit_code = ExitCode.CONFIGURATION


class DriverError(UgwError):
    """A driver cannot be loaded or keeps a promise of its interface only on paper."""


class TransportError(UgwError):
    """A source of frames cannot be opened or has failed; the transport tries again by itself."""


class BacklogError(UgwError):
    """The store cannot do what was asked; nothing is known to have become durable."""


class BacklogFullError(BacklogError):
    """The store has reached its cap or the medium its end."""


class UncleanEndError(UgwError):
    """The agent has ended, but what it still held could not be kept."""


class UplinkError(UgwError):
    """The broker cannot be reached, refuses us, or has gone; the uplink tries again by itself."""


class SimulatorError(UgwError):
    """The simulated world cannot be set up: a program is missing or a scenario is wrong."""
