"""Boards from a browser: a page on this machine alone, for ESP Web Tools."""
