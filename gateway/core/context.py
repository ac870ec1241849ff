"""What a driver is told beside the payload: nothing it did not declare, nothing it could keep."""


class Context:
    """One device's surroundings of a payload; the gateway owns it, a driver only reads it.

    `address` is the device's own: six bytes in display order for BLE, empty for LoRa.
    `opened` is the clear text where the frame was sealed and the gateway has opened it, else None.
    `port` is the LoRaWAN port, or None.
    `key` is the device's key, for the drivers that declare NEEDS_KEY alone; else None.
    """

    __slots__ = ("address", "key", "opened", "port")

    def __init__(
        self, address: bytes = b"", opened: bytes | None = None, port: int | None = None
    ) -> None:
        self.address = address
        self.opened = opened
        self.port = port
        self.key: bytes | None = None
