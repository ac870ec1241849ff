"""A gateway that is a folder: the first-boot script runs on it as it is, among pretended programs.

The power can be cut before any of them has had its effect: they die, and the script with them.
"""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.flash.seeds import CMDLINE, IMAGE
from ugw_flash.seed.files import render
from ugw_flash.seed.flavour import Flavour
from ugw_flash.seed.model import Seed

HANG_S: Final = 60.0

# What each is but a stand-in for. $W is the folder of the gateway; $UGW_ROOT is $W/root.
_PROGRAMS: Final = {
    "dpkg": """
        [ "$1" = --install ] || exit 0
        [ ! -e "$W/refused" ] || { cat "$W/refused" >&2; exit 1; }
        mkdir -p "$UGW_ROOT/opt/ugw/.venv/bin"
        cp "$W/bin/agent" "$UGW_ROOT/opt/ugw/.venv/bin/ugw"
        echo "$2" >"$W/installed" """,
    "dpkg-query": '[ -e "$W/installed" ] && printf installed',
    "agent": """
        [ ! -e "$W/wrong-$1" ] || { cat "$W/wrong-$1" >&2; exit 3; }
        echo "$* ${UGW_MQTT_PASSWORD:-}" >>"$W/asked" """,
    "runuser": '[ "$1 $2 $3" = "-u ugw --" ] && shift 3 && echo "as ugw" >>"$W/asked" && "$@"',
    "chown": """
        if [ "$1" = -R ]; then shift; fi
        owner=$1; shift
        for file; do
            echo "$owner $(stat -c %a "$file") $file" >>"$W/owners"
        done""",
    "systemctl": """
        echo "$*" >>"$W/managed"
        [ "$1" != restart ] || [ ! -e "$W/wrong-start" ] || exit 1""",
    # A clock that a file holds, once it was set.
    "date": """
        case "$*" in
        "-u -s @"*) echo "${3#@}" >"$W/clock" ;;
        +%s) cat "$W/clock" ;;
        *) exec /bin/date "$@" ;;
        esac""",
}
# These work; the whole machine's disks need not wait for it.
_REAL: Final = {"mv": "/bin/mv", "rm": "/bin/rm", "shred": "/usr/bin/shred", "sync": "/bin/true"}
_UNCUT: Final = ("date", "dpkg-query", "agent")

# The n-th program that changes something finds no power.
_CUT: Final = """
read -r n <"$W/count"
echo $((n + 1)) >"$W/count"
[ $((n + 1)) -ne "$CUT" ] || kill -9 0
"""


class Gateway:
    """One gateway, with a card in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.boot = folder / "boot"
        self.root = folder / "root"
        for each in (self.boot, self.root, folder / "bin"):
            each.mkdir(parents=True)
        self.write("clock", "0\n")
        for name, body in _PROGRAMS.items():
            self._program(name, body, cut=name not in _UNCUT)
        for name, real in _REAL.items():
            self._program(name, f'exec {real} "$@"', cut=True)

    def _program(self, name: str, body: str, *, cut: bool) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\nset -e\n{_CUT if cut else ''}{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def plant(self, seed: Seed) -> None:
        """Put the seed onto the card, as SEED renders it."""
        files = render(seed, Flavour.CLOUD_INIT, IMAGE, CMDLINE.encode(), {})
        for name, content in files.items():
            path = self.boot / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def run(self, *words: str, cut: int = 0) -> "Ended":
        """Run the script; the power is cut at the `cut`-th change, if that is given."""
        self.write("count", "0\n")
        process = subprocess.Popen(
            ["/bin/sh", self.boot / "ugw/first-boot", *words],
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "W": str(self.folder),
                "UGW_ROOT": str(self.root),
                "CUT": str(cut),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # what is killed is all of it, and nothing else
        )
        said, _ = process.communicate(timeout=HANG_S)
        return Ended(process.returncode, said, int(self.read("count")))

    def write(self, name: str, text: str) -> None:
        """Tell the pretended programs something."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        """Return what the pretended programs took down; nothing, if there is nothing."""
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    @property
    def state(self) -> dict[str, object]:
        """What a person finds on the card."""
        found: dict[str, object] = json.loads((self.boot / "ugw/first-boot.state").read_text())
        return found

    @property
    def owners(self) -> dict[str, str]:
        """Who owns each file below /etc/ugw, as it was last said."""
        lines = (line.split(maxsplit=2) for line in self.read("owners").splitlines())
        named = {path.removesuffix(".new"): owner for owner, _, path in lines}
        prefix = f"{self.root}/etc/ugw"
        return {path.removeprefix(prefix): who for path, who in named.items()}

    def files(self, below: Path) -> Mapping[str, bytes]:
        """Return what lies in a folder."""
        found = (path for path in below.rglob("*") if path.is_file())
        return {str(path.relative_to(below)): path.read_bytes() for path in found}

    def mode(self, path: str) -> int:
        """Return who may do what with a file of the root."""
        return stat.S_IMODE((self.root / path).stat().st_mode)


class Ended(NamedTuple):
    """How a run ended."""

    status: int
    said: str
    changes: int  # the programs that changed something

    @property
    def cut(self) -> bool:
        """Whether the power went."""
        return self.status == -signal.SIGKILL
