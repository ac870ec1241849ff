"""Runs the examples of drivers on whichever interpreter runs it: MicroPython, or CPython.

    MICROPYPATH=. micropython gateway/conformance/on_micropython.py FILE.py ...

Exit code 1: something differs. One line per driver: how many examples there are and frames to
refuse, how many differ, how many were left out because this interpreter has no AES. Every
truncation and every flipped bit of every payload is decoded too: an exception that is no
DecodeError is told with its frame.

It knows no CPython: what it imports and how it is written is what both interpreters have.
"""

# What MicroPython has no words for is not annotated: examples are JSON, drivers are modules.
# mypy: ignore-errors
# pyright: basic, reportMissingImports=false

import json
import sys

from gateway.core import advertisement, aes_ccm, wire
from gateway.core.context import Context
from gateway.core.refusal import NO_KEY, DecodeError

COUNTED = ("examples", "refused", "differ", "left out")
STEPS = {"read": 0, "write": 1, "wait": 2, "listen": 3}  # gateway.core.gatt

try:
    from cryptolib import aes  # MicroPython's alone
except ImportError:
    aes = None


def main(files, aes=aes):
    """Run the drivers of some files; return how many examples differ."""
    return sum([run_file(file, aes) for file in files])


def run_file(file, aes):
    """Run one file's examples and print the result; return how many differ."""
    try:
        module = load(file)
    except Exception as error:  # noqa: BLE001 - whatever importing raises is what is looked for
        print(f"{file}: cannot be imported: {error!r}")
        return 1
    with open(file[:-3] + ".json", encoding="utf-8") as stream:
        documents = json.load(stream)
    if isinstance(documents, dict):
        documents = [documents]
    wrong = 0
    for document in documents:
        for driver in getattr(module, "DRIVERS", (module,)):
            if document["model"] == driver.MODEL:
                wrong += run_driver(driver, document, aes)
    return wrong


def load(file):
    """Import a driver by its file."""
    folder, _, name = file.rpartition("/")
    sys.path.insert(0, folder or ".")
    try:
        return __import__(name[:-3])
    finally:
        sys.path.pop(0)


def run_driver(driver, document, aes):
    """Run one driver's examples; return how many differ."""
    counts = dict.fromkeys(COUNTED, 0)
    for kind in ("examples", "refused"):
        for example in document.get(kind, ()):
            counts[kind] += 1
            if "key" in example and aes is None:
                counts["left out"] += 1
                continue
            wrong = list(differences(driver, example, aes))
            if "payload" in example:
                wrong += list(accidents(driver, example, aes))
            counts["differ"] += 1 if wrong else 0
            for line in wrong:
                print(f"{document['model']}: {example['name']}: {line}")
    told = ", ".join([f"{counts[what]} {what}" for what in COUNTED])
    print(f"{document['model']}: {told}")
    return counts["differ"]


# ------------------------------------------------------------------------------------------ codecs
def differences(driver, example, aes):
    """Yield what the file says and the driver does not."""
    got = run_modem(driver, example) if "stream" in example else run_codec(driver, example, aes)
    for key, value in got.items():
        if example.get(key) != value:
            yield f"{key}: got {value!r}, expected {example.get(key)!r}"
    if "poll" in example:
        yield from polled(driver, example)


def accidents(driver, example, aes):
    """Yield the first exception that damage causes and that is no DecodeError."""
    for payload in damaged(unhex(example["payload"])):
        changed = dict(example)
        changed["payload"] = payload.hex() or ""  # MicroPython's hex() of nothing is b""
        try:
            run_codec(driver, changed, aes)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises is what is looked for
            yield f"[{changed['payload'] or 'no bytes'}] raised {error!r}"
            return


def run_codec(driver, example, aes):
    """Return what decoding gives, in the form of the file."""
    payload = unhex(example["payload"])
    try:
        if getattr(driver, "PAYLOAD", "structure") == "advertisement":
            payload = advertisement.structures(payload)
        context, counter = open_frame(driver, payload, example, aes)
        readings = [as_written(reading) for reading in driver.decode(payload, context)]
    except DecodeError as refused:
        return {"reason": refused.reason}
    return {"readings": readings, "counter": counter}


def open_frame(driver, payload, example, aes):
    """Return the context to decode a payload in, and its counter, as the gateway would."""
    address = example.get("address") or ("" if is_lora(driver) else "000000000000")
    context = Context(unhex(address), None, example.get("port"))
    if getattr(driver, "NEEDS_KEY", False) and "key" in example:
        context.key = unhex(example["key"])
    counter = driver.packet_counter(payload) if hasattr(driver, "packet_counter") else None
    if example.get("opened") is not None:
        context.opened = unhex(example["opened"])
        return context, counter
    sealed = driver.sealed(payload, context) if hasattr(driver, "sealed") else None
    if sealed is not None:
        if "key" not in example:
            raise DecodeError(NO_KEY)
        nonce, ciphertext, tag_length, associated, number = sealed
        counter = counter if number is None else number
        cipher = aes(unhex(example["key"]), 1)
        context.opened = aes_ccm.open_ccm(cipher, nonce, ciphertext, tag_length, associated)
    return context, counter


def is_lora(driver):
    """Whether a driver reads LoRa packets, which have no address of six bytes."""
    return driver.MATCH == {} and not hasattr(driver, "poll")


def as_written(reading):
    """Return a reading in the form of the file: [property, value], then the channel if any."""
    name, value, scale, channel = reading
    if isinstance(value, int) and not isinstance(value, bool):
        value = wire.decimal(value, scale)
    return [name, value, channel] if channel else [name, value]


def damaged(payload):
    """Yield every truncation of a payload and all that differ from it in one bit."""
    for length in range(len(payload)):
        yield payload[:length]
    for bit in range(8 * len(payload)):
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def unhex(text):
    """Return the bytes of hexadecimal digits; MicroPython wants some."""
    return bytes.fromhex(text) if text else b""


# -------------------------------------------------------------------------------- polls and modems
def polled(driver, example):
    """Yield what is wrong with a poll of the device in the example."""
    conversation = driver.poll(Context(unhex(example.get("address") or "000000000000")))
    answer = None
    try:
        for step in example["poll"]:
            request = conversation.send(answer)
            if [request[0], request[1], request[2]] != [STEPS[step[0]], step[1], step[2]]:
                yield f"poll: asks {request!r}, expected {step!r}"
                return
            known = step[3] is not None and step[0] != "write"
            answer = unhex(step[3]) if known else None
        conversation.send(answer)
        yield "poll: asks for more than the example has"
    except StopIteration as end:
        if (end.value.hex() or "") != example["payload"]:
            yield f"poll: returned {end.value!r}"


def run_modem(driver, example):
    """Return what the modem made of a stream, in the form of the file."""
    modem = driver.Modem()
    frames = list(modem.feed(bytes([ord(character) for character in example["stream"]])))
    frames += modem.idle()
    return {
        "frames": [[to, data.hex() or "", rssi, snr] for to, data, rssi, snr in frames],
        "counters": {name: count for name, count in modem.counters.items() if count},
    }


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
