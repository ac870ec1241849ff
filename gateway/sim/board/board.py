"""The board's side of the world: one stream of small commands, answered in their order.

A message is its length (the first byte, itself not counted), a letter, and what goes with it. It
holds the letters' meanings once; gateway/sim/esp32_wire.py holds them for the world's side.

    world -> board
    A type address[6] kind rssi data   a report is on the air     answered by A: 1 heard, 0 not
    W state                            Wi-Fi: 0 away, 1 there, 2 there, refuses the password
    E state                            Ethernet: 0 no cable, 1 plugged in
    G event numbers data               what a Bluetooth connection reports (bluetooth.py)
    Q how                              how it is doing            answered by Q; 1: collect first
    C operations                       the power goes in the midst of that operation of the flash
    B                                  brown-out: the power goes now
    H                                  hang: nothing runs any more
    board -> world
    S before after                     bytes of heap before and with the fakes, once, at the start
    A heard...   Q numbers...          answers
    G ...                              what a Bluetooth connection is asked for

Reports wait in the stream while the agent does not let the loop run, and all come at once then,
as they would have come in between.
"""

import asyncio
import gc
import struct
import time

import ffi
import micropython

BROWN_OUT = 21  # exit statuses, beside SIGALRM's for the watchdog
RESET = 22
WORLD_GONE = 23

_BEAT_MS = 10
_FULL = 240  # answers that fit into one message

link = None  # the stream
chip = ""  # the folder of what the chip itself keeps: NVS, what stays on over a reset
cause = 1  # machine.reset_cause()
uarts = {}  # number -> descriptor of the pty
pins = {}  # number -> level
wifi = 1
ethernet = 0
flash = None
radio = None  # bluetooth's BLE, once there is one

_stall_ms = 0
_exit = ffi.open(None).func("v", "_exit", "i")
_answers = bytearray(_FULL)
_tasks = []


def end(status: int) -> None:
    """End at once, as without power: nothing is closed, nothing is finished."""
    _exit(status)


def say(kind: int, data: bytes) -> None:
    link.write(bytes((len(data) + 1, kind)))
    link.write(data)


def start(stream, before: int) -> None:
    """Take the stream into use and have it read as soon as the loop runs."""
    global link
    link = stream
    _tasks.append(asyncio.create_task(_listen()))
    _tasks.append(asyncio.create_task(_beat()))
    gc.collect()
    say(0x53, struct.pack("<II", before, gc.mem_alloc()))


async def _listen() -> None:
    buffer = bytearray(512)
    view = memoryview(buffer)
    reader = asyncio.StreamReader(link)
    fill = 0
    while True:
        got = await reader.readinto(view[fill:])
        while got:
            fill = _take_all(view, fill + got)
            got = link.readinto(view[fill:])
        if got == 0:
            end(WORLD_GONE)


def _take_all(view, fill: int) -> int:
    """Obey all that is whole; how much of the rest is left, moved to the front."""
    at = heard = 0
    while at < fill and at + view[at] < fill:
        stop = at + 1 + view[at]
        if view[at + 1] == 0x41:
            _answers[heard] = radio is not None and radio.hear(view, at + 2, stop)
            heard += 1
        else:
            _obey(view[at + 1], view[at + 2 : stop])
        at = stop
    if heard:
        say(0x41, memoryview(_answers)[:heard])
    view[: fill - at] = view[at:fill]
    return fill - at


def _obey(letter: int, data) -> None:
    global wifi, ethernet
    if letter == 0x57:
        wifi = data[0]
    elif letter == 0x45:
        ethernet = data[0]
    elif letter == 0x43:
        flash.cut_at = flash.operations + struct.unpack("<I", data)[0]
    elif letter == 0x42:
        end(BROWN_OUT)
    else:
        _obey_more(letter, data)


def _obey_more(letter: int, data) -> None:
    if letter == 0x47:
        radio.report(data)
    elif letter == 0x51:
        _tell(data[0])
    while letter == 0x48:
        time.sleep(1)


def _tell(collect: int) -> None:
    """Say how it is doing; the largest free piece stands on the console, as mem_info() has it."""
    global _stall_ms
    if collect:
        gc.collect()
    used, free = gc.mem_alloc(), gc.mem_free()
    micropython.mem_info()
    high = sum(1 << number for number, level in pins.items() if level and number < 32)
    worn = flash.worn() if flash else (0, 0, 0)
    say(0x51, struct.pack("<7I", used, free, _stall_ms, high, *worn))
    _stall_ms = 0


async def _beat() -> None:
    """Measure how long the loop keeps a task waiting, and give the fakes their time."""
    global _stall_ms
    while True:
        before = time.ticks_ms()
        await asyncio.sleep_ms(_BEAT_MS)
        _stall_ms = max(_stall_ms, time.ticks_diff(time.ticks_ms(), before) - _BEAT_MS)
        if radio is not None:
            radio.tick()
