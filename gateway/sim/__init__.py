"""The hardware simulator: Bluetooth adapters, serial modems and sensors, without the hardware.

It stands where hardware stands (D-Bus, ptys), so what runs against it runs unchanged in the field.
Start at `world`.
"""
