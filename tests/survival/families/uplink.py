"""Faults of this family: filled by whoever proves them."""

from tests.survival.fault import Fault, Later

FAULTS: tuple[Fault, ...] = ()
LATER: tuple[Later, ...] = ()
