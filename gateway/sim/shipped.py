"""What is shipped beside the code: scenarios and the schemas of messages.

In a checkout they stand in config; a wheel has them beside this file.
"""

from pathlib import Path
from typing import Final

from gateway.errors import SimulatorError

_WHEEL: Final = Path(__file__).with_name("shipped")
_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "config"


def folder(name: str) -> Path:
    """Return the folder of `scenarios` or of `schema`. Raises SimulatorError when it is gone."""
    for found in (_WHEEL / name, _CHECKOUT / name):
        if found.is_dir():
            return found
    cause = f"the folder {name} is missing from this installation"
    raise SimulatorError(cause, "install the package urban-gateway again")
