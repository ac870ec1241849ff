"""The version of ugw, read by the packaging and by `ugw version`."""

__version__ = "0.1.0.dev0"
