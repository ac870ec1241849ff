"""Every part of a /slots.json, from nothing to all but its last byte: what boot and slots read.

vm_slots.py ROOT
"""

import json
import sys

from gateway.esp32 import boot, slots

STATE = {"slot": "b", "tries": 3, "release": "r2", "failed": ["r0"]}


def main(root):
    path = root + "/slots.json"
    slots.store(root, STATE)
    with open(path) as file:
        text = file.read()
    whole = boot.load(root)
    if slots.load(root) != whole:
        whole = None
    believed = []
    for size in range(len(text)):
        with open(path, "w") as file:
            file.write(text[:size])
        for read in (boot.load, slots.load):
            state = read(root)
            if state not in believed:
                believed.append(state)
    print(json.dumps([believed, whole]))


main(sys.argv[1])
