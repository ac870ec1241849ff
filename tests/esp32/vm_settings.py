"""On MicroPython: a board reads its settings, a hundred devices in little memory."""

import gc
import sys

from gateway.esp32 import overlay

SECRETS = {"wifi_psk": b"correct horse", "mqtt_pass": b"battery staple", "k3": bytes(range(16))}
ROOM = 16000  # bytes left: source is compiled here, a board only loads it


class Nvs:
    """The chip's own memory."""

    def get_blob(self, name, buffer):
        if name not in SECRETS:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        buffer[: len(SECRETS[name])] = SECRETS[name]
        return len(SECRETS[name])


root = sys.argv[1]
site = overlay.run("settings", "load", root, Nvs())
secret = site.network["psk"].decode()
print(site.org, site.mqtt["port"], site.mqtt["tls"], site.mqtt["keepalive_s"],
      site.time["servers"], secret)  # fmt: skip
devices = overlay.run("settings", "devices", root, Nvs())
gc.collect()
count = keys = 0
held = [bytes(256) for _ in range((gc.mem_free() - ROOM) // 272)]
for device in devices:
    count += 1
    keys += device["key"] == bytes(range(16))
print(f"{count} devices, {keys} keys")
del held
with open(root + "/site/site.json") as file:
    text = file.read()
for size in range(0, len(text), 7):
    with open(root + "/site/site.json", "w") as file:
        file.write(text[:size])
    try:
        overlay.run("settings", "load", root, Nvs())
    except ValueError as error:
        if "site.json is damaged" in str(error):
            continue
    print("unnoticed:", text[:size])
    break
else:
    print("every end that comes too early is noticed")
