"""One sensor as somebody describes it, and what is wrong with the description."""

from collections.abc import Iterator, Mapping

import msgspec

from gateway.config.devices import canonical_address
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.errors import SimulatorError
from gateway.sim.models import MODELS, Model
from gateway.sim.models.values import Given, faults

_KEY_BYTES = 16
_FULL_PERCENT = 100


class SensorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One sensor as described. Gaps vary by `jitter` of `every_s`; `loss` is a probability."""

    model: str
    address: str
    address_type: str = "public"  # Bluetooth LE: or "random"
    every_s: float = 60.0
    jitter: float = 0.1
    loss: float = 0.0
    rssi_dbm: int = -70
    snr_db: int = 8
    copies: int = 1  # how often each advertisement is repeated
    key: bytes = b""
    payload: str = "hex"  # LoRa: "hex" or "raw"
    first_serial: int = 1
    name: str = ""
    values: Mapping[str, Given] = {}  # instead of weather: a constant, or (lowest, highest)
    battery_percent: float | None = None  # at the start; by chance, where nothing is said
    battery_life_s: float = 0.0  # from full to empty, then it is silent; 0: it hardly empties


def model_of(options: SensorOptions) -> Model:
    """Return the model of a sensor. Raises SimulatorError for what cannot be, all at once."""
    model = MODELS.get(options.model)
    if model is None:
        cause = f"there is no model of a sensor {quoted(options.model)}"
        cause += did_you_mean(options.model, MODELS)
        raise SimulatorError(cause, remedy="`ugw simulate list models` shows all")
    wrong = [*_mistakes(options, model)]
    wrong += [f"{name}: {why}" for name, why in faults(model, options.values)]
    if wrong:
        cause = f"a sensor {options.address} ({options.model}) cannot be: {'; '.join(wrong)}"
        raise SimulatorError(cause, remedy="`ugw simulate list models` says what each sends")
    return model


def _mistakes(options: SensorOptions, model: Model) -> Iterator[str]:
    try:
        is_lora = canonical_address(options.address).startswith("lora:")
    except ValueError as error:
        yield str(error)
    else:
        if is_lora != (model.medium == "lora"):
            yield f"it does not send by {'LoRa' if is_lora else 'Bluetooth'}"
    if model.encrypted and len(options.key) != _KEY_BYTES:
        yield f"it needs a key of {_KEY_BYTES} bytes, not {len(options.key)}"
    if options.every_s <= 0:
        yield "it has to send now and then: every_s is above 0"
    if options.battery_life_s < 0:
        yield "its battery lives 0 s or longer"
    if not 0 <= (options.battery_percent or 0) <= _FULL_PERCENT:
        yield "its battery has 0 to 100 percent"
