"""One module per serial LoRa modem: bytes in -> frames out, commands out; no I/O."""
