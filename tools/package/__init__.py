"""Makes what installs ugw on a gateway without a network: a .deb, and a wheelhouse.

Only what tools/lock/package.txt locks, by its hashes, and ugw itself; equal sources give equal
files.
"""
