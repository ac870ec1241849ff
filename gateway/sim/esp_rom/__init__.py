"""An ESP32 at the end of a cable: its ROM, its flash, its reset lines, and what it runs.

It answers what esptool asks, byte for byte, on a pty, a socket or over RFC 2217, and refuses what
the chip would. Start at `chip`; `cable` plugs one in. A chip's speed and the timing of its flash
are not modelled, and of its flasher stub the code that is sent is not run.
"""
