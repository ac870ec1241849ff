"""On MicroPython: asks name servers or time servers, and tells what came of it, a line each."""

import asyncio
import sys
import time

from gateway.esp32 import names

names._WAIT_MS = 150  # nobody on this machine needs longer


class RTC:
    """The chip's clock."""

    shown = None

    def datetime(self, *moment):
        if moment:
            RTC.shown = moment[0]
        return RTC.shown


class machine:  # noqa: N801
    """The chip."""

    RTC = RTC


sys.modules["machine"] = machine
turns = [0]


async def others():
    while True:
        turns[0] += 1
        await asyncio.sleep_ms(5)


async def ask_names(hosts, servers):
    for host in hosts:
        try:
            print(host, await names.resolve(host, servers))
        except OSError as error:
            print(host, error)


async def ask_time(port, shift_ms, cases, dns):
    from gateway.esp32 import sntp  # after `names` was told not to wait so long
    from gateway.esp32.clock import Clock

    for case in cases:
        RTC.shown = None
        clock = Clock()
        known = await sntp.query(case.split(","), port, clock, dns)
        if not known:
            assert clock.offset_ms is None
            print(case, "unknown")
            continue
        off = clock.offset_ms + clock.now() - time.time_ns() // 1000000 - shift_ms
        assert abs(off) <= clock.max_error_ms() + 1, (off, clock.max_error_ms())
        told = time.mktime(RTC.shown[:3] + RTC.shown[4:7] + (0, 0))
        assert abs(told - time.time() - shift_ms // 1000) < 60, RTC.shown
        print(case, clock.state())
        again = Clock()
        assert sntp.trust_chip(again)
        assert abs(again.offset_ms - clock.offset_ms) < 60000
    print("names kept" if "gateway.esp32.names" in sys.modules else "names forgotten")


async def main():
    running = asyncio.create_task(others())
    what, rest = sys.argv[1], sys.argv[2:]
    if what == "names":
        await ask_names(rest[1:], tuple(rest[0].split(",")))
    else:
        await ask_time(int(rest[0]), int(rest[1]), rest[3:], (rest[2],))
    if "silent" in rest[-1]:
        assert turns[0] > 20, turns  # meanwhile nobody else was made to wait
    running.cancel()


asyncio.run(main())
