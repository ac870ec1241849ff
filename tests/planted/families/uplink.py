"""Defects of this family, and which tests see them."""

from tests.planted.defect import Defect

DEFECTS: tuple[Defect, ...] = ()
