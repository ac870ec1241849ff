"""Judges what a gateway sends, by the strict schema and beyond: the simulator's."""

from gateway.sim.expectations.validator import Validator, read

__all__ = ["Validator", "read"]
