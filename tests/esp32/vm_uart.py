"""gateway.esp32.uart on MicroPython, on a real pty: says what it hears and how it is.

    vm_uart.py PATH MODEM BAUD SENDER PROBE_MS [name=value ...]

Lines: `heard ADDRESS PAYLOAD RSSI SNR`, `state STATE CAUSE`.
"""

import asyncio
import sys
import termios
import time

STARTED = time.ticks_ms()


class Uart:
    """machine.UART on a pty."""

    def __init__(self, path, baud, tx, rx, rxbuf):
        assert (tx, rx) == (17, 16), (tx, rx)
        assert rxbuf >= 512
        self._port = open(path, "r+b", 0)  # noqa: SIM115 - for good
        attributes = termios.tcgetattr(self._port.fileno())
        attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
        attributes[6][6] = 0  # VMIN: a read takes what is there, as the chip's, and never waits
        termios.tcsetattr(self._port.fileno(), termios.TCSANOW, attributes)
        self.readinto = self._port.readinto
        self.write = self._port.write
        import select

        self._poll = select.poll()
        self._poll.register(self._port, select.POLLIN)

    def any(self):
        return len(self._poll.poll(0))


class Machine:
    """The module `machine`."""

    UART = Uart


class Clock:
    """Uptime."""

    def now(self):
        return time.ticks_ms() - STARTED


class Intake:
    """Says what it is given, in full."""

    def heard_lora(self, address, payload, rssi, snr, at_ms):
        assert isinstance(payload, bytes)
        assert 0 <= at_ms <= time.ticks_ms() - STARTED
        print("heard", address or "-", payload.hex() or "-", rssi, snr)


def beat():
    """Nobody counts."""


async def main(path, modem, baud, sender, probe_ms, *settings):
    from gateway.esp32 import uart as tried

    tried._PROBE_MS = int(probe_ms)
    tried._GREETING_MS = 200

    pairs = [each.split("=") for each in settings]
    uart = {
        "name": "serial:lora",
        "modem": modem,
        "uart": path,
        "tx": 17,
        "rx": 16,
        "baud": int(baud),
        "settings": {name: int(value) if value.isdigit() else value for name, value in pairs},
        "sender": sender if sender != "-" else None,
    }
    port = tried.Port(uart, Intake(), Clock(), beat)
    assert (port.name, port.kind, port.state) == ("serial:lora", "serial", "down")
    task = asyncio.create_task(port.run())
    told = None
    while not task.done():
        if told != (port.state, port.cause):
            told = (port.state, port.cause)
            print("state", *told)
        await asyncio.sleep_ms(5)
    await task


sys.modules["machine"] = Machine
asyncio.run(main(*sys.argv[1:]))
