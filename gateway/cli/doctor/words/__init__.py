"""What the doctor says, in each of its languages: sentences by id, labels, and others' causes."""

from collections.abc import Mapping
from typing import Final

from gateway.cli.doctor.words.hearing import HEARING
from gateway.cli.doctor.words.machine import MACHINE
from gateway.cli.doctor.words.platform import PLATFORM
from gateway.cli.doctor.words.text import Both

CATALOGUE: Final[Mapping[str, Both]] = {**MACHINE, **PLATFORM, **HEARING}
