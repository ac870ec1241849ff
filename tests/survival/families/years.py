"""Faults of this family: filled by whoever proves them."""

from tests.survival.fault import Fault

FAULTS: tuple[Fault, ...] = ()
