"""Whose work is in a package, and under which licence: its copyright file.

Refuses what names no licence, and what would bind whoever hands the package on: nothing under the
GPL is in it.
"""

import re
from collections.abc import Iterable
from importlib.metadata import Distribution
from types import MappingProxyType
from typing import Final

from gateway.errors import UgwError

_CLASSIFIER: Final = "License :: OSI Approved :: "
# LGPL too: nothing that is handed on has it today, and its duties are not those of the rest.
_COPYLEFT: Final = re.compile(r"\b[AL]?GPL|GNU ", re.IGNORECASE)

# What is named nowhere but in the text of the licence, as we have read it.
_READ: Final = MappingProxyType({"quickjs-ng": "MIT"})

_HEAD: Final = """\
ugw, the urban sensor gateway, is licensed under the Apache License, Version 2.0: /opt/ugw/LICENSE.

Its environment of Python, /opt/ugw/.venv, holds the following distributions, each as its
authors publish it. The text of each licence stands in {site}/NAME-VERSION.dist-info.

"""


def licence(distribution: Distribution) -> str:
    """Return the licence it names, the most exact of its words; UgwError for none or the GPL."""
    metadata = distribution.metadata
    said = metadata.get_all("Classifier") or []
    classified = [
        words.removeprefix(_CLASSIFIER) for words in said if words.startswith(_CLASSIFIER)
    ]
    named = metadata["License-Expression"] or ", ".join(classified) or metadata["License"]
    found = named or _READ.get(distribution.name, "")
    name = f"{distribution.name} {distribution.version}"
    if not found:
        cause = f"{name} names no licence: it is not handed on"
        raise UgwError(cause)
    if _COPYLEFT.search(found) and " OR " not in found:
        cause = f"{name} is under {found}: it is not handed on"
        raise UgwError(cause)
    return found


def copyright_file(distributions: Iterable[Distribution], site: str) -> str:
    """Return the text; `site` is where the distributions are once installed."""
    rows = [(each.name, each.version, licence(each)) for each in distributions]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [
        f"{name:{widths[0]}}  {version:{widths[1]}}  {words}" for name, version, words in rows
    ]
    return _HEAD.format(site=site) + "".join(f"{line}\n" for line in lines)
