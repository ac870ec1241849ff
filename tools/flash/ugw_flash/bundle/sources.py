"""esptool in a bundle: GPL-2.0 or later, so its source and its licence go along, or nothing."""

import tarfile
from pathlib import Path
from typing import Final

from ugw_flash.outcome import BadMaterialError

_MOST_BYTES: Final = 20_000_000
_REMEDY: Final = "pip download --no-deps --no-binary esptool 'esptool>=5,<6' fetches it"


def esptool_source(path: Path) -> bytes:
    """Return the source of esptool 5, as it was published, with its licence in it.

    Raises BadMaterialError for anything else, such as a wheel.
    """
    try:
        with tarfile.open(path) as archive:
            names = {member.name.partition("/")[2] for member in archive if member.isreg()}
        content = path.read_bytes()
    except (OSError, EOFError, tarfile.TarError) as error:
        cause = f"{path} is no source archive: {error}"
        raise BadMaterialError(cause, _REMEDY) from None
    wanted = {"LICENSE", "esptool/__init__.py", "PKG-INFO"}
    if not path.name.startswith("esptool-5.") or not wanted <= names or len(content) > _MOST_BYTES:
        cause = f"{path} is not the source of esptool 5 with its licence"
        raise BadMaterialError(cause, _REMEDY)
    return content
