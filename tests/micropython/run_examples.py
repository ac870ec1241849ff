"""Runs every driver's examples, on whichever interpreter runs it.

    micropython tests/micropython/run_examples.py   from the checkout's root; exit code 1: differs

How that is done stands in gateway/conformance/on_micropython.py.
"""

import os
import sys

sys.path.insert(0, ".")

from gateway.conformance.on_micropython import main

FOLDERS = ("ble", "lora", "modem")

aes = None
if sys.implementation.name == "cpython":
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    class OpensslCipher:
        """AES under one key, as cryptolib has it."""

        def __init__(self, key, _mode):
            mode = modes.ECB()  # noqa: S305 - for single blocks
            self.encrypt = Cipher(algorithms.AES(key), mode).encryptor().update

    aes = OpensslCipher


def files():
    """Return the drivers that have examples."""
    return [
        f"drivers/{folder}/{name[:-5]}.py"
        for folder in FOLDERS
        for name in sorted(os.listdir("drivers/" + folder))
        if name.endswith(".json")
    ]


if __name__ == "__main__":
    sys.exit(1 if (main(files(), aes) if aes else main(files())) else 0)
