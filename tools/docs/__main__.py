"""Write the generated pages; --check: exit 1 if one of them is stale."""

import sys
from pathlib import Path

from tools.docs.markup import MissingWordsError
from tools.docs.pages import PAGES, stale

FOLDER = Path(__file__).resolve().parents[2] / "docs"


def main() -> None:
    """Write the pages, or check them."""
    try:
        if sys.argv[1:] != ["--check"]:
            for name, write in PAGES.items():
                (FOLDER / name).write_text(write(), encoding="utf-8")
        elif names := stale(FOLDER):
            sys.exit(f"{', '.join(names)}: stale, run .venv/bin/python -m tools.docs")
    except MissingWordsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
