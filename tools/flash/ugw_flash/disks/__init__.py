"""Disks: which there are, and which of them may be written. When in doubt: none."""
