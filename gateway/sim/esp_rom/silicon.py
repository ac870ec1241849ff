"""What a chip is made as: its kind, its flash, its address, and what its eFuses forbid.

    ESP32     D0WD-V3, revision 3.0    eFuses read as registers; no GET_SECURITY_INFO
    ESP32-S3  QFN56, revision 0.2      eFuses read as registers, and GET_SECURITY_INFO

The places are those of the two chips' technical reference manuals, as esptool reads them.
"""

import struct
from typing import Final, Literal

import msgspec

from gateway.errors import SimulatorError

Kind = Literal["esp32", "esp32s3"]
Download = Literal["open", "secure", "off"]

_CRYSTAL_HZ: Final = 40_000_000
_WINBOND: Final = 0x40EF  # JEDEC: maker EF, type 40, then the size as a power of two
_MAC_BYTES: Final = 6
_RESTRICTED: Final = 1 << 2  # SECURE_DOWNLOAD_ENABLE, in the flags of GET_SECURITY_INFO
_CHIP_ID: Final = 9
_SMALLEST_FLASH: Final = 1 << 20


class Silicon(msgspec.Struct, frozen=True, kw_only=True):
    """One chip as it left the factory, and its eFuses burnt since.

    `secure_boot` is the version that is on (1 on the ESP32 only), `flash_encryption` whether it
    is; `download`: "secure" (ESP32-S3) takes flash writes and says little, "off" never loads.
    """

    kind: Kind = "esp32"
    flash_bytes: int = 4 << 20
    mac: bytes = bytes.fromhex("240ac4a1b2c3")
    secure_boot: Literal[0, 1, 2] = 0
    flash_encryption: bool = False
    download: Download = "open"

    def __post_init__(self) -> None:
        """Raise SimulatorError where there is no such chip."""
        size = self.flash_bytes
        wrong = {
            "a MAC has six bytes": len(self.mac) != _MAC_BYTES,
            "a flash has a power of two of bytes, from one MiB": size & (size - 1)
            or size < _SMALLEST_FLASH,
            "secure boot 1 is of the ESP32": self.kind != "esp32" and self.secure_boot == 1,
            "secure download is of the ESP32-S3": self.kind == "esp32"
            and self.download == "secure",
        }
        for why, is_wrong in wrong.items():
            if is_wrong:
                raise SimulatorError(why)

    @property
    def jedec(self) -> int:
        """What its flash answers when it is asked who it is (RDID), as esptool reads it."""
        return (self.flash_bytes.bit_length() - 1) << 16 | _WINBOND

    @property
    def image_offset(self) -> int:
        """Where in the flash the ROM finds what it starts."""
        return 0x1000 if self.kind == "esp32" else 0

    @property
    def security_info(self) -> bytes:
        """What GET_SECURITY_INFO answers: flags, encryption count, key purposes, chip, API."""
        flags = int(self.secure_boot > 0) | _RESTRICTED * (self.download == "secure")
        crypt_count = int(self.flash_encryption)
        return struct.pack("<IB7xII", flags, crypt_count, _CHIP_ID, 0)


class Places(msgspec.Struct, frozen=True):
    """The registers of a kind of chip that do something when they are read or written."""

    spi: int  # the base of the flash's controller
    user2: int  # the command it sends, of those the user makes
    data: int  # its first word of data
    clock_divider: int  # of the UART
    read_hook: int  # the ROM's pointer to what reads flash; 0: nobody bends it


PLACES: Final[dict[Kind, Places]] = {
    "esp32": Places(0x3FF42000, 0x3FF42024, 0x3FF42080, 0x3FF40014, 0),
    # Secure boot keeps the ROM from starting what was loaded; esptool bends this pointer instead.
    "esp32s3": Places(0x60002000, 0x60002020, 0x60002058, 0x60000014, 0x3FCEF688),
}


def clock_divider(baud: int) -> int:
    """Return what the UART's divider reads at a speed."""
    return round(_CRYSTAL_HZ / baud)


def registers(silicon: Silicon) -> dict[int, int]:
    """Return every register that is not zero, by its address."""
    made = _esp32 if silicon.kind == "esp32" else _esp32s3
    return made(silicon, int.from_bytes(silicon.mac, "big"))


def _esp32(silicon: Silicon, mac: int) -> dict[int, int]:
    crypted = 1 << 20 if silicon.flash_encryption else 0
    no_download = 1 << 27 if silicon.download == "off" else 0
    booted = {0: 0, 1: 1 << 4, 2: 1 << 5}[silicon.secure_boot]
    return {
        0x40001000: 0x00F01D83,  # what tells an ESP32 from others
        0x3FF5A000: crypted | no_download,
        0x3FF5A004: mac & 0xFFFFFFFF,
        0x3FF5A008: mac >> 32,
        0x3FF5A00C: 1 << 9 | 1 << 15,  # package D0WD; revision, bit 0
        0x3FF5A010: 100,  # the 8 MHz clock and its calibration: together a crystal of 40 MHz
        0x3FF5F06C: 1024 << 7,
        0x3FF5A014: 1 << 20,  # revision, bit 1
        0x3FF6607C: 1 << 31,  # revision, bit 2
        0x3FF5A018: booted,
    }


def _esp32s3(silicon: Silicon, mac: int) -> dict[int, int]:
    return {
        0x40001000: 0x9,
        0x60007034: 1 << 18 if silicon.flash_encryption else 0,
        0x60007038: 1 << 20 if silicon.secure_boot else 0,
        0x60007044: mac & 0xFFFFFFFF,
        0x60007048: mac >> 32,
        0x60007050: 2 << 18,  # revision 0.2
        0x3FCEF688: 0x4004_0000,
    }
