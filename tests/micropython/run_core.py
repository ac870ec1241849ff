"""Checks gateway.core against vectors.json, on whichever interpreter runs it.

    micropython tests/micropython/run_core.py       from the checkout's root; exit code 1: differs

A vector is [module.function, arguments, keyword arguments, expected]. What JSON lacks is written
as an object: {"hex"} bytes, {"aes"} a block cipher, {"refused"} a DecodeError, and the values of
a document.document. Lists are tuples.
"""

import json
import sys

sys.path.insert(0, ".")

from gateway.core import document
from gateway.core.refusal import DecodeError

try:
    import cryptolib
except ImportError:
    cryptolib = None
try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:
    Cipher = None


class OpensslCipher:
    """AES under one key, where there is no cryptolib."""

    def __init__(self, key):
        mode = modes.ECB()  # noqa: S305 - for single blocks
        self._encryptor = Cipher(algorithms.AES(key), mode).encryptor()

    def encrypt(self, block):
        """Return the 16 bytes that these 16 encrypt to."""
        return self._encryptor.update(block)


def cipher(key):
    """Return AES under a key, from what this interpreter has."""
    return cryptolib.aes(key, 1) if cryptolib else OpensslCipher(key)


MADE = {
    "hex": bytes.fromhex,
    "aes": lambda text: cipher(bytes.fromhex(text)),
    "refused": DecodeError,
    "decimal": lambda pair: document.Decimal(*pair),
    "rendered": document.Rendered,
    "fields": lambda pairs: document.Fields(*made(pairs)),
    "items": lambda values: document.Items(*made(values)),
}


def made(value):
    """Turn a value of the file into what it stands for."""
    if isinstance(value, dict):
        [(kind, content)] = value.items()
        return MADE[kind](content)
    if isinstance(value, list):
        return tuple([made(item) for item in value])
    return value


def outcome(name, arguments, keywords):
    """Return what the function returns, or the DecodeError it raises."""
    module, function = name.split(".")
    exec(f"from gateway.core import {module}", NAMES)  # noqa: S102 - importlib is not on both
    try:
        return getattr(NAMES[module], function)(*arguments, **keywords)
    except DecodeError as refused:
        return refused


def same(got, expected):
    """Whether they are equal, in type too: 1 is not True."""
    if isinstance(expected, DecodeError):
        return isinstance(got, DecodeError) and got.reason == expected.reason
    return type(got) is type(expected) and got == expected


NAMES = {}


def main():
    """Check every vector; the number that differ."""
    with open("tests/micropython/vectors.json") as file:
        vectors = json.load(file)
    wrong = left_out = 0
    for name, arguments, keywords, expected in vectors:
        if not (cryptolib or Cipher) and "aes" in str(arguments):
            left_out += 1
            continue
        got = outcome(name, made(arguments), keywords)
        if not same(got, made(expected)):
            wrong += 1
            print(f"{name}{made(arguments)} {keywords}: {got!r}, expected {expected}")
    print(f"{len(vectors)} vectors, {wrong} wrong, {left_out} left out: no AES")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
