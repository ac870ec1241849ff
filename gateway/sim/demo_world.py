"""The demo's world: twenty Bluetooth sensors and five LoRa nodes, and the strangers of a street.

Nothing breaks in it, and little time passes between two readings: somebody is watching.
"""

from typing import Final

from gateway.sim.scenario import Scenario
from gateway.sim.sensors import Sensor, SensorOptions
from gateway.sim.world import World

_SCENARIO: Final = {
    "name": "demo",
    "modems": [{"name": "usb-lora"}],
    "noise": {"phones": 20, "every": "1s", "rotate": 30},
    "sensors": [
        {
            "model": "bthome-v2",
            "address": "C0:FF:EE:00:00:01",
            "count": 10,
            "name": "Street light",
            "every": "6s",
            "copies": 3,
            "rssi": -74,
        },
        {
            "model": "bthome-v2-encrypted",
            "address": "C0:FF:EE:00:01:01",
            "count": 5,
            "name": "School",
            "every": "8s",
            "copies": 3,
            "rssi": -82,
        },
        {
            "model": "ruuvi-rawv2",
            "address": "C0:FF:EE:00:02:01",
            "count": 5,
            "name": "Park",
            "every": "3s",
            "copies": 2,
            "rssi": -66,
            "loss": 0.05,
        },
        {
            "model": "cayenne-lpp",
            "address": "lora:17",
            "count": 5,
            "name": "Waste bin",
            "every": "10s",
            "rssi": -104,
            "snr": 3,
        },
    ],
}

# The phones are in no format that the agent knows, so a passive scan never hands them over. The
# neighbours have sensors of a kind that is listed: they are heard, and belong to somebody else.
_NEIGHBOURS: Final = tuple(
    SensorOptions(model="bthome-v2", address=f"D0:0D:AD:00:00:{number:02X}", every_s=5.0)
    for number in range(1, 7)
)


def demo_world() -> World:
    """Make the world; it is not started."""
    world = Scenario.model_validate(_SCENARIO).world()
    world.noise += [Sensor(options, seed=world.seed) for options in _NEIGHBOURS]
    return world
