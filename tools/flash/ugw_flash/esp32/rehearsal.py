"""What a board will make of its files, asked on the desk: of the code that reads them there.

What the rest of this package lets through and a board would refuse is noticed before anybody has
climbed up to one.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import ConfigError
from gateway.esp32 import settings


class _Nvs:
    """The chip's own memory."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._secrets = secrets

    def get_blob(self, name: str, buffer: bytearray) -> int:
        """Fill a buffer, as esp32.NVS does."""
        value = self._secrets.get(name)
        if value is None or len(value) > len(buffer):
            raise OSError(name)
        buffer[: len(value)] = value
        return len(value)


def rehearse(files: Mapping[str, bytes], secrets: Mapping[str, bytes]) -> None:
    """Read a site's files as its board will. Raises ConfigError with what the board would say."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        nvs = _Nvs(secrets)
        try:
            settings.load(folder, nvs)
            for _ in settings.devices(folder, nvs):
                pass
        except settings.SettingsError as error:
            cause = f"the board would not start: {error}"
            raise ConfigError(
                cause, "config/esp32.example.yaml shows what a board can do"
            ) from None
