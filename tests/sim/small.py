"""A small scenario with a little of everything, for tests of how scenarios are read and played."""

SMALL = """
seed: 5
duration: 300ms
modems: [{name: usb-lora, spurious_errors: 3}]
sensors:
  - {model: bthome-v2, address: "C0:FF:EE:00:00:FF", count: 2, every: 20ms, name: Light}
  - {model: bthome-v2-encrypted, address: "C0:FF:EE:00:02:00"}
  - {model: cayenne-lpp, address: "lora:17"}
noise: {phones: 2, every: 20ms}
faults:
  - {at: 50ms, do: ble.crash, for: 50ms}
  - {at: 60ms, do: serial.unplug, for: 20ms}
  - {at: 200ms, do: ble.wedge}
"""
