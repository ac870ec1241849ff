"""How `ugw` ends. These numbers are an interface: scripts and service managers read them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of every command."""

    OK = 0
    """Done, and nothing wrong was found."""
    FAILED = 1
    """What was asked for failed, or something wrong was found."""
    USAGE = 2
    """The command line was not understood."""
    CONFIGURATION = 3
    """The configuration cannot be used; the findings are on standard error."""
    CANNOT_START = 4
    """The agent could not start, or (check) could not: what it needs is missing or taken."""
    REFUSED = 5
    """(flash) Refused for safety, nothing written: a disk of this system, a locked board."""
    NOT_WRITTEN = 6
    """(flash) Writing or reading back failed: the card or board must not be used."""
    NO_DEVICE = 7
    """(flash) The card, the board or its port is not there, or went away."""
    BAD_MATERIAL = 8
    """(flash) An image, a firmware, a bundle or a claim is not what it should be, or expired."""
    PARTLY = 9
    """(flash) Some of a batch are done and some are not; the results say which."""
    INTERRUPTED = 130
    """Interrupted by Ctrl-C; what is meant to (run, demo, simulate, radio scan) ends with 0."""
