"""The `decode` of a device with a codec: the values that came back, by its map."""

import logging
from collections.abc import Mapping

from gateway.codecs.output import Flat
from gateway.codecs.rules import Rule, apply
from gateway.core.context import Context
from gateway.model import Reading

_SHOWN = 20  # paths in one line of the log

log = logging.getLogger(__name__)


class Reader:
    """Applies one device's map; what it leaves out is told once, and never published."""

    def __init__(self, device: str, rules: Mapping[str, Rule]) -> None:
        self._device = device
        self._rules = rules
        self._told = False

    def __call__(self, values: Flat, _context: Context) -> list[Reading]:
        """Return the readings of what the map names."""
        if not self._told and (unmapped := [path for path in values if path not in self._rules]):
            self._told = True
            shown = ", ".join(unmapped[:_SHOWN])
            log.info("codec values not in the map device=%s values=%r", self._device, shown)
        return apply(self._rules, values)

    def __eq__(self, other: object) -> bool:
        mine = (self._device, self._rules)
        return isinstance(other, Reader) and mine == (other._device, other._rules)

    def __hash__(self) -> int:
        return hash((self._device, *self._rules))
