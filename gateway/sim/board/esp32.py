"""Non-volatile storage: one file per key, named as the key is."""

import os

import board

_NOT_FOUND = -0x1102  # ESP_ERR_NVS_NOT_FOUND
_KEY_TOO_LONG = -0x1109
_INVALID_LENGTH = -0x110C


class NVS:
    """A namespace. A value is whole or as before, and durable, when a setter returns."""

    def __init__(self, namespace: str) -> None:
        self._folder = board.chip + "/nvs/" + namespace + "/"
        if namespace not in os.listdir(board.chip + "/nvs"):
            os.mkdir(self._folder[:-1])

    def _path(self, key: str) -> str:
        if len(key) > 15:
            raise OSError(_KEY_TOO_LONG, "ESP_ERR_NVS_KEY_TOO_LONG")
        return self._folder + key

    def get_blob(self, key: str, buffer) -> int:
        try:
            with open(self._path(key), "rb") as file:
                data = file.read()
        except OSError:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND") from None
        if len(data) > len(buffer):
            raise OSError(_INVALID_LENGTH, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(data)] = data
        return len(data)

    def set_blob(self, key: str, value) -> None:
        path = self._path(key)
        with open(path + "~", "wb") as file:
            file.write(value)
        os.rename(path + "~", path)

    def get_i32(self, key: str) -> int:
        buffer = bytearray(11)
        return int(bytes(buffer[: self.get_blob("#" + key, buffer)]))

    def set_i32(self, key: str, value: int) -> None:
        self.set_blob("#" + key, str(value).encode())

    def erase_key(self, key: str) -> None:
        try:
            os.remove(self._path(key))
        except OSError:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND") from None

    def commit(self) -> None:
        """All is written already."""
