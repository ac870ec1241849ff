"""Why a frame is refused: the one error a driver raises, and its closed list of reasons.

A reason is a counter's name (`refused.<reason>`), so it is a token: short, stable, without data of
the frame.
"""

TRUNCATED = "truncated"  # ends before the field it announced
BAD_LENGTH = "bad_length"  # a fixed-size frame of another size
BAD_VERSION = "bad_version"  # a version of the format this driver does not know
BAD_TYPE = "bad_type"  # not a frame of this driver after all
BAD_MIC = "bad_mic"  # authentication failed: wrong key, damaged or forged
BAD_CHECKSUM = "bad_checksum"
BAD_HEX = "bad_hex"  # the device's payload is configured as hexadecimal and is not
BAD_VALUE = "bad_value"  # a field holds what its type forbids
NO_KEY = "no_key"  # encrypted, and the configuration gives no key
NOT_ENCRYPTED = "not_encrypted"  # in clear from a device that has a key: perhaps forged
UNKNOWN_PROPERTY = "unknown_property"  # the driver's fault: its name is not in the vocabulary
DRIVER_FAULT = "driver_fault"  # a foreign driver raised what no driver may raise
REPLAYED = "replayed"  # authentic, but its counter was seen before
CODEC_ERROR = "codec_error"  # the vendor's codec threw, reported errors or gave no data
CODEC_LIMIT = "codec_limit"  # the vendor's codec met a limit: time, memory, stack, size


class DecodeError(ValueError):
    """A frame that is not what it claims to be; `reason` is one of the tokens above."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
