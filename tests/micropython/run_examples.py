"""Runs every driver's examples, on whichever interpreter runs it.

    micropython tests/micropython/run_examples.py   from the checkout's root; exit code 1: differs

One line per driver: how many examples there are and frames to refuse, how many differ, how many
were left out because this interpreter has no AES. Then every truncation and every flipped bit of
every payload is decoded: an exception that is no DecodeError ends the program.
"""

import json
import os
import sys

sys.path.insert(0, ".")

from gateway.core import aes_ccm, wire
from gateway.core.context import Context
from gateway.core.refusal import DecodeError

FOLDERS = ("ble", "lora", "modem")
COUNTED = ("examples", "refused", "differ", "left out")

try:
    from cryptolib import aes
except ImportError:
    aes = None
if sys.implementation.name == "cpython":
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    class OpensslCipher:
        """AES under one key, as cryptolib has it."""

        def __init__(self, key, _mode):
            mode = modes.ECB()  # noqa: S305 - for single blocks
            self.encrypt = Cipher(algorithms.AES(key), mode).encryptor().update

    aes = OpensslCipher


class Skipped(Exception):  # noqa: N818 - it is no error
    """This interpreter cannot run the example."""


def open_frame(driver, payload, example):
    """Return the context to decode a payload in, and its counter, as the gateway would."""
    context = Context(bytes.fromhex(example.get("address", "")), None, example.get("port"))
    counter = driver.packet_counter(payload) if hasattr(driver, "packet_counter") else None
    sealed = driver.sealed(payload, context) if hasattr(driver, "sealed") else None
    if sealed is not None and "key" in example:
        if aes is None:
            raise Skipped
        nonce, ciphertext, tag_length, associated, counter = sealed
        cipher = aes(bytes.fromhex(example["key"]), 1)
        context.opened = aes_ccm.open_ccm(cipher, nonce, ciphertext, tag_length, associated)
    return context, counter


def as_written(reading):
    """Return a reading in the form of the file: [property, value], then the channel if any."""
    name, value, scale, channel = reading
    if isinstance(value, int) and not isinstance(value, bool):
        value = wire.decimal(value, scale)
    return [name, value, channel] if channel else [name, value]


def run_codec(driver, example):
    """Return what decoding gives, in the form of the file."""
    payload = bytes.fromhex(example["payload"])
    try:
        context, counter = open_frame(driver, payload, example)
        readings = [as_written(reading) for reading in driver.decode(payload, context)]
    except DecodeError as refused:
        return {"reason": refused.reason}
    return {"readings": readings, "counter": counter}


def run_modem(driver, example):
    """Return what the modem made of a stream, in the form of the file."""
    modem = driver.Modem()
    frames = modem.feed(bytes([ord(character) for character in example["stream"]]))
    return {
        # MicroPython's hex() of nothing is b"".
        "frames": [[to, data.hex() or "", rssi, snr] for to, data, rssi, snr in frames],
        "counters": {name: count for name, count in modem.counters.items() if count},
    }


def damaged(payload):
    """Yield every truncation of a payload and all that differ from it in one bit."""
    for length in range(len(payload)):
        yield payload[:length]
    for bit in range(8 * len(payload)):
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def run_damaged(driver, example):
    """Decode what damage makes of an example; nothing but DecodeError may be raised."""
    for payload in damaged(bytes.fromhex(example["payload"])):
        run_codec(driver, {"payload": payload.hex() or "", "address": example.get("address", "")})


def differences(driver, example):
    """Yield what the file says and the driver does not."""
    got = run_modem(driver, example) if "stream" in example else run_codec(driver, example)
    for key, value in got.items():
        if example.get(key) != value:
            yield f"{key}: got {value!r}, expected {example.get(key)!r}"


def run_driver(folder, file):
    """Run one driver's examples and print the result; return how many differ."""
    scope = {}
    exec(f"from drivers.{folder} import {file[:-5]} as driver", scope)  # noqa: S102 - no importlib
    with open(f"drivers/{folder}/{file}", encoding="utf-8") as stream:
        document = json.load(stream)
    counts = dict.fromkeys(COUNTED, 0)
    for kind in ("examples", "refused"):
        for example in document.get(kind, ()):
            counts[kind] += 1
            try:
                wrong = list(differences(scope["driver"], example))
            except Skipped:
                counts["left out"] += 1
                continue
            if "payload" in example:
                run_damaged(scope["driver"], example)
            counts["differ"] += bool(wrong)
            for line in wrong:
                print(f"{document['model']}: {example['name']}: {line}")
    print(f"{document['model']}:", ", ".join([f"{counts[what]} {what}" for what in COUNTED]))
    return counts["differ"]


def main():
    """Run all drivers; return how many examples differ."""
    return sum(
        run_driver(folder, file)
        for folder in FOLDERS
        for file in sorted(os.listdir("drivers/" + folder))
        if file.endswith(".json")
    )


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
