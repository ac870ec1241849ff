"""A tiny agent that shows what the fakes do: each command on the console is one experiment."""

import asyncio
import sys

import bluetooth
import esp32
import machine
import network

heard = []
_kept = []
_seen = {}


def on_report(event, data):
    if event == 5 and len(heard) < 4:
        address_type, address, kind, rssi, content = data
        heard.append((address_type, bytes(address).hex(), kind, rssi, bytes(content).hex()))
        _kept.append(content)
    elif event == 6:
        print("scan done")


def raising(event, data):
    raise ValueError(event, len(data))


async def scan(*arguments):
    ble = bluetooth.BLE()
    print("same", ble is bluetooth.BLE())
    try:
        ble.gap_scan(0)
    except OSError as error:
        print("inactive", error.errno)
    ble.active(1)
    ble.irq(on_report)
    ble.gap_scan(0, 30000, 30000, "active" in arguments)
    try:
        ble.gap_scan(0, 30000, 30000)
    except OSError as error:
        print("twice", error.errno)
    print("scanning")


async def window(milliseconds):
    ble = bluetooth.BLE()
    ble.active(1)
    ble.irq(on_report)
    ble.gap_scan(int(milliseconds), 30000, 30000, 0)
    print("scanning")


async def stop():
    bluetooth.BLE().gap_scan(None)


async def show():
    print("heard", heard, "kept", [bytes(each[:4]).hex() for each in _kept])


async def fail():
    bluetooth.BLE().irq(raising)
    print("fails")


async def watched(milliseconds, fed):
    dog = machine.WDT(timeout=int(milliseconds))
    print("watched")
    while fed == "fed":
        dog.feed()
        await asyncio.sleep_ms(20)


async def endless():
    print("endless")
    while True:
        pass


async def stubborn():
    print("stubborn")
    try:
        machine.reset()
    finally:
        print("never said")


async def cause():
    print("cause", machine.reset_cause(), machine.RTC().memory(), machine.RTC().datetime()[0])


async def keep():
    machine.RTC().memory(b"over a reset")
    machine.RTC().datetime((2026, 11, 22, 6, 12, 0, 0, 0))
    print("kept")


async def secrets():
    nvs = esp32.NVS("ugw")
    buffer = bytearray(32)
    size = nvs.get_blob("wifi_psk", buffer)
    print("secret", bytes(buffer[:size]))
    for trouble in (("none", bytearray(4)), ("wifi_psk", bytearray(1))):
        try:
            nvs.get_blob(*trouble)
        except OSError as error:
            print("no secret", error.errno)
    nvs.set_blob("new", b"\x00\x01")
    nvs.commit()
    print("new", nvs.get_blob("new", buffer), bytes(buffer[:2]))


async def wifi():
    wlan = network.WLAN(network.STA_IF)
    print("wifi", wlan.isconnected(), wlan.status(), wlan.ifconfig()[0])


async def join():
    wlan = network.WLAN(network.STA_IF)
    try:
        wlan.connect("net", "key")
    except OSError as error:
        print("refused:", error)
    wlan.active(1)
    wlan.connect("net", "key")
    await wifi()


async def again():
    try:
        network.WLAN(network.STA_IF).connect("net", "key")
    except OSError as error:
        print("refused:", error)


async def uart(baud):
    port = machine.UART(1, int(baud), tx=17, rx=16)
    reader = asyncio.StreamReader(port)
    writer = asyncio.StreamWriter(port, {})
    print("nothing yet", port.read(10), port.any())
    writer.write(b"AT\r\n")
    await writer.drain()
    buffer = bytearray(64)
    while True:
        size = await reader.readinto(buffer)
        print("uart", bytes(buffer[:size]))


def write(path, count):
    for number in range(int(count)):
        with open(_seen["root"] + path, "w") as file:
            file.write(f"{number}" * 100)
    print("written")


def read(path):
    with open(_seen["root"] + path) as file:
        print("read", file.read())


def on_gatt(event, data):
    told = [
        bytes(each) if isinstance(each, (memoryview, bluetooth.UUID)) else each for each in data
    ]
    print("event", event, *told)


async def gatt(call, *numbers):
    ble = bluetooth.BLE()
    ble.active(1)
    ble.irq(on_gatt)
    if call == "gap_connect":
        ble.gap_connect(0, bytes.fromhex(numbers[0]))
    elif call == "gattc_write":
        ble.gattc_write(1, int(numbers[0]), bytes.fromhex(numbers[1]), 1)
    else:
        getattr(ble, call)(1, *map(int, numbers))


async def led(level):
    machine.Pin(2, machine.Pin.OUT).value(int(level))
    print("led")


async def block(milliseconds):
    import time

    time.sleep_ms(int(milliseconds))
    print("blocked")


async def main():
    print("started")
    reader = asyncio.StreamReader(sys.stdin.buffer)
    while True:
        name, *arguments = (await reader.readline()).decode().split()
        done = globals()[name](*arguments)
        if done is not None:
            _seen[name] = asyncio.create_task(done)


def run(root):
    _seen["root"] = root
    asyncio.run(main())
