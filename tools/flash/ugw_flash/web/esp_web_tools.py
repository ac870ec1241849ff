"""ESP Web Tools, as its makers publish it (npm, Apache-2.0): taken from its package, never ours.

Its licence comes along, and nothing of the package but what a browser loads.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ugw_flash.outcome import BadMaterialError

FOLDER: Final = "web/esp-web-tools"  # in a bundle
SCRIPT: Final = "install-button.js"
LICENCE: Final = "LICENSE"

_NAME: Final = "esp-web-tools"
_APACHE: Final = "Apache-2.0"
_ABOUT: Final = "package/package.json"
_CODE: Final = "package/dist/web/"
_MOST_BYTES: Final = 5_000_000
_REMEDY: Final = f"npm pack {_NAME} fetches it"


def read_package(path: Path) -> dict[str, bytes]:
    """Return the files that a browser needs, and the licence, by their plain names.

    Raises BadMaterialError for anything but a package of ESP Web Tools.
    """
    try:
        with tarfile.open(path) as archive:
            files = dict(_files(archive))
    except (OSError, EOFError, tarfile.TarError) as error:
        cause = f"{path} is no package of npm: {error}"
        raise BadMaterialError(cause, _REMEDY) from None
    about = _about(files.pop(_ABOUT, b""))
    found = {name.rpartition("/")[2]: content for name, content in files.items()}
    if about.get("name") != _NAME or about.get("license") != _APACHE or SCRIPT not in found:
        cause = f"{path} is not {_NAME} under {_APACHE}"
        raise BadMaterialError(cause, _REMEDY)
    if LICENCE not in found:
        cause = f"{path} comes without its licence, and cannot be handed on"
        raise BadMaterialError(cause, _REMEDY)
    return found


def read_folder(path: Path) -> dict[str, bytes]:
    """Return the files of a folder that a bundle has; none where there is none."""
    if not path.is_dir():
        return {}
    return {each.name: each.read_bytes() for each in sorted(path.iterdir()) if each.is_file()}


def _files(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    left = _MOST_BYTES
    for member in archive:
        name = member.name
        wanted = name in (_ABOUT, f"package/{LICENCE}") or name.startswith(_CODE)
        if not wanted or not member.isreg():
            continue
        left -= member.size
        content = archive.extractfile(member) if left >= 0 else None
        if content is None:
            cause = "it is larger than it can be"
            raise tarfile.TarError(cause)
        yield name, content.read()


def _about(raw: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(raw, type=dict[str, object])
    except msgspec.DecodeError:
        return {}
