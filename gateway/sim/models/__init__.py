"""The models of all sensors there are: for every driver one that can send what it reads.

Keyed by the driver's MODEL; what can be encrypted as well is `<MODEL>-encrypted`. Installed
packages add theirs by the entry point group `gateway.sensor_models` (name -> Model), which are
looked for when a name is asked for that is not built in, or when all are.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from gateway.errors import SimulatorError
from gateway.sim.models import (
    aranet,
    atc,
    beacons,
    bluemaestro,
    bthome,
    cayenne_lpp,
    connected,
    govee,
    govee_event,
    govee_grill,
    inkbird,
    mopeka,
    qingping,
    ruuvi,
    sensirion,
    sensorpush,
    thermobeacon,
    thermopro,
    xiaomi,
)
from gateway.sim.models.model import Model, Quantity, Readings, Sender, SerialPlace

__all__ = ["MODELS", "Catalogue", "Model", "Quantity", "Readings", "Sender", "SerialPlace"]

ENTRY_POINTS: Final = "gateway.sensor_models"


class Catalogue(Mapping[str, Model]):
    """Models by name: those built in, and those of installed packages."""

    def __init__(self, *families: Mapping[str, Model]) -> None:
        self._built_in: dict[str, Model] = {}
        for family in families:
            self._built_in |= family
        self._installed: dict[str, Model] | None = None

    def __getitem__(self, name: str) -> Model:
        found = self._built_in.get(name)
        return found if found is not None else self._others()[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from self._others()

    def __len__(self) -> int:
        return len(self._built_in) + len(self._others())

    def _others(self) -> Mapping[str, Model]:
        """Return those of installed packages. Raises SimulatorError for one that is none."""
        if self._installed is None:
            found = entry_points(group=ENTRY_POINTS)
            self._installed = {one.name: self._load(one) for one in found}
        return self._installed

    def _load(self, entry_point: EntryPoint) -> Model:
        where = f"the sensor model {entry_point.name!r} ({entry_point.value})"
        remedy = "mend the package that offers it, or uninstall it"
        if entry_point.name in self._built_in:
            cause = f"{where} has the name of a built-in one"
            raise SimulatorError(cause, remedy=remedy)
        try:
            model = entry_point.load()
        except Exception as error:  # importing runs somebody else's code
            cause = f"{where} cannot be loaded: {error}"
            raise SimulatorError(cause, remedy=remedy) from error
        if not isinstance(model, Model):
            cause = f"{where} is no gateway.sim.models.Model"
            raise SimulatorError(cause, remedy=remedy)
        return model


_FAMILIES: Final = (
    bthome,
    ruuvi,
    atc,
    xiaomi,
    qingping,
    govee,
    govee_grill,
    govee_event,
    inkbird,
    thermopro,
    thermobeacon,
    sensorpush,
    sensirion,
    aranet,
    bluemaestro,
    mopeka,
    beacons,
    connected,
    cayenne_lpp,
)
MODELS: Final[Mapping[str, Model]] = Catalogue(*(family.MODELS for family in _FAMILIES))
