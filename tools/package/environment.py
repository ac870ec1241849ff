"""The environment of Python in /opt/ugw/.venv, made here for a machine that is another.

It holds only wheels as their authors publish them; its interpreter is the system's own. Nothing
of the machine that made it is in it: no path, no time, nothing compiled.
"""

import csv
import shutil
from collections.abc import Iterator
from importlib.metadata import Distribution
from io import StringIO
from pathlib import Path
from typing import Final

from tools.package import pip
from tools.package.target import Target

FOLDER: Final = Path("opt/ugw/.venv")  # as config/ugw.service has it
_COMMAND: Final = """\
#!/opt/ugw/.venv/bin/python3
import sys

from gateway.cli.main import main

sys.exit(main())
"""


def make(root: Path, requirements: Path, wheels: Path, target: Target) -> Path:
    """Make it below `root`; return its folder of modules."""
    environment = root / FOLDER
    site = environment / f"lib/python{target.python}/site-packages"
    site.mkdir(parents=True)
    pip.install(requirements, wheels, target, site)
    # The programs of the distributions name the Python that pip ran on.
    shutil.rmtree(site / "bin", ignore_errors=True)
    for record in site.glob("*.dist-info/RECORD"):
        _without_programs(record)
    _interpreter(environment, target)
    return site


def distributions(site: Path) -> Iterator[Distribution]:
    """Yield what is installed there, by name."""
    for folder in sorted(site.glob("*.dist-info")):
        yield Distribution.at(folder)


def _without_programs(record: Path) -> None:
    kept = StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    for row in csv.reader(record.read_text(encoding="utf-8").splitlines()):
        if not row[0].startswith("../../bin/"):
            writer.writerow(row)
    record.write_text(kept.getvalue(), encoding="utf-8")


def _interpreter(environment: Path, target: Target) -> None:
    """Make what Python needs to know that it runs in an environment (PEP 405)."""
    settings = (
        "home = /usr/bin",
        "include-system-site-packages = false",
        f"version = {target.python}",
    )
    (environment / "pyvenv.cfg").write_text("".join(f"{line}\n" for line in settings))
    programs = environment / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to("/usr/bin/python3")
    for name in ("python", f"python{target.python}"):
        (programs / name).symlink_to("python3")
    (programs / "ugw").write_text(_COMMAND, encoding="utf-8")
    (programs / "ugw").chmod(0o755)
