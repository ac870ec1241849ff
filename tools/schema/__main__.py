"""Write the generated schemas; --check: exit 1 if one of them is stale."""

import sys
from pathlib import Path

from tools.schema.documents import DOCUMENTS, stale

FOLDER = Path(__file__).resolve().parents[2] / "config" / "schema"


def main() -> None:
    """Write the schemas, or check them."""
    if sys.argv[1:] != ["--check"]:
        for name, write in DOCUMENTS.items():
            (FOLDER / name).parent.mkdir(exist_ok=True)
            (FOLDER / name).write_text(write(), encoding="utf-8")
    elif names := stale(FOLDER):
        sys.exit(f"{', '.join(names)}: stale, run .venv/bin/python -m tools.schema")


if __name__ == "__main__":
    main()
