"""Encrypted frames opened: with AES-CCM over the chip's own AES, and safe from recordings.

Imported with the first encrypted frame, for it brings the cipher with it.
"""

from cryptolib import aes

from gateway.core.aes_ccm import open_ccm
from gateway.core.replay import REPLAY_POSSIBLE

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from gateway.core.context import Context
    from gateway.esp32.devices import Device

_ECB = 1


def opened(  # noqa: PLR0913, PLR0917 - what a driver's `sealed` returns
    device: "Device",
    context: "Context",
    nonce: bytes,
    ciphertext: bytes,
    tag_length: int,
    associated_data: bytes,
    counter: "int | None",
) -> "tuple[str, ...]":
    """Open a frame into the context; return its flags. Without a counter it may be a recording.

    Raises DecodeError (REPLAYED, BAD_MIC) or, for the last frame again, RepeatError. The
    counter moves only once the frame has proven authentic.
    """
    if counter is not None:
        device.refuse_replay(counter)
    cipher = aes(device.key, _ECB)
    context.opened = open_ccm(cipher, nonce, ciphertext, tag_length, associated_data)
    return REPLAY_POSSIBLE if counter is None else device.advance(counter)
