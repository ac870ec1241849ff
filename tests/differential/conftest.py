"""The native drivers against the libraries others maintain: `make differential`.

The libraries pull GPL code in, so they live in an environment of their own. In any other this
folder is not collected.
"""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("bthome_ble") else ["test_*.py"]
