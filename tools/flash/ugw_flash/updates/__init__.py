"""Signed updates of ESP32 boards over the air."""
