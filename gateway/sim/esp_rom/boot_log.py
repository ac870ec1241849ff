"""What the ROM writes at a reset, word for word as the two chips do: tools read it.

`boot:0x13` and `boot:0x8` mean the application, `boot:0x3` and `boot:0x0` the loader.
"""

from typing import Final

from gateway.sim.esp_rom.silicon import Kind

_RESET: Final[dict[Kind, str]] = {
    "esp32": "ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:{boot}\r\n",
    "esp32s3": "ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\n"
    "rst:0x1 (POWERON),boot:{boot}\r\n",
}
_BOOT: Final[dict[tuple[Kind, bool], str]] = {
    ("esp32", False): "0x13 (SPI_FAST_FLASH_BOOT)",
    ("esp32", True): "0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download",
    ("esp32s3", False): "0x8 (SPI_FAST_FLASH_BOOT)",
    ("esp32s3", True): "0x0 (DOWNLOAD(USB/UART0))\r\nwaiting for download",
}
NO_PARTITIONS: Final = (
    b"E (42) flash_parts: partition 0 invalid magic number 0xffff\r\n"
    b"E (47) boot: Failed to verify partition table\r\n"
    b"E (52) boot: load partition table error!\r\n"
)


def reset(kind: Kind, *, downloads: bool) -> bytes:
    """Return what stands there first after a reset; `downloads`: into the loader."""
    return _RESET[kind].format(boot=_BOOT[kind, downloads]).encode()


def no_image(first: bytes) -> bytes:
    """Return what stands there where the flash begins with these bytes, and no image does."""
    return f"invalid header: {int.from_bytes(first, 'little'):#010x}\r\n".encode()
