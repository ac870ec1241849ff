"""A wall clock and a boot for the agent's process alone; nobody touches those of this machine.

Real is all of the agent, the C library's calls it makes, the kernel's boot time, and in another
boot the kernel's time namespace. Not real is what the calls for wall time and for the kernel's
word (adjtimex) answer: a library that is compiled here and preloaded there says what the test
wants. In another boot the file with the boot's id is another one, in a mount namespace.
"""

import os
import shutil
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

_SOURCE: Final = Path(__file__).with_name("clock.c")
_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_LIMIT_S: Final = 60
_NS: Final = 1_000_000_000
SINCE_1970_S: Final = 86_400  # what a machine shows whose clock has lost its battery


class OtherClock:
    """The wall clock of the agents that are started with `environment`."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler: apt-get install gcc libc6-dev")
        self.ahead_s = 0.0
        self._path = directory / "clock"
        self._path.write_bytes(bytes(24))
        library = directory / "clock.so"
        command = (compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC")
        subprocess.run([*command, "-o", library, _SOURCE], check=True, timeout=_LIMIT_S)
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "UGW_TEST_CLOCK": str(self._path),
        }

    def show(self, ahead_s: float, *, synced: bool, max_error_ms: int = 20) -> None:
        """Be so far ahead of the true time from now on; the kernel vouches for it or does not."""
        self.ahead_s = ahead_s
        told = struct.pack("=qqq", int(ahead_s * _NS), synced, max_error_ms * 1_000)
        with self._path.open("r+b") as file:
            file.write(told)

    def begin_at_1970(self) -> None:
        """Show what a machine shows that has just started and knows nothing."""
        self.show(SINCE_1970_S - time.time(), synced=False)


def another_boot(directory: Path, boot_id: str, uptime_s: int) -> Sequence[str]:
    """Return the beginning of a command whose process lives in another boot of this machine."""
    file = directory / boot_id
    file.write_text(boot_id + "\n")
    ahead_s = uptime_s - int(time.clock_gettime(time.CLOCK_BOOTTIME))
    enter = f'mount --bind "{file}" {_BOOT_ID} && exec "$@"'
    prefix = (
        *("unshare", "--mount", "--time", f"--boottime={ahead_s}"),
        *("sh", "-c", enter, "sh"),
    )
    if os.geteuid() or subprocess.run([*prefix, "true"], check=False, timeout=_LIMIT_S).returncode:
        pytest.skip("another boot needs root and a kernel with time namespaces (Linux 5.6)")
    return prefix
