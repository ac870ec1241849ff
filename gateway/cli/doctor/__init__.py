"""`ugw doctor`: the way of an observation, link by link, each with cause and remedy."""

from gateway.cli.doctor.command import doctor

__all__ = ["doctor"]
