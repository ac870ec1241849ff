"""Pictures as SVG in one style: the same data make the same bytes."""

# matplotlib leaves its keyword arguments without types.
# pyright: reportUnknownMemberType=false

import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

_STYLE: Final[Any] = {  # matplotlib types the keys, and a dict's are texts
    "svg.hashsalt": "ugw",
    "svg.fonttype": "none",  # the reader's own font: small, and it can be searched
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
}
_NO_DATE: Final = {"Date": None, "Creator": None}
# Okabe and Ito: told apart by everybody.
BLUE, ORANGE, RED, GREEN, GREY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#999999"


@contextmanager
def picture(path: Path) -> Generator[None]:
    """Write the figure there that is drawn meanwhile."""
    with mpl.rc_context(_STYLE):
        yield
        text = io.StringIO()
        plt.savefig(text, format="svg", metadata=_NO_DATE)
        plt.close()
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    path.write_text("\n".join(lines) + "\n")
