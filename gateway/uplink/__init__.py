"""Observations and status out, over gateway.mqtt."""
