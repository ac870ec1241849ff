"""Drivers that need a library MicroPython lacks. They give way to all others."""
