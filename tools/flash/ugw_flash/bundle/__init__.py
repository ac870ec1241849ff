"""Bundles: what an installer takes along, made in the office, complete without a network."""
