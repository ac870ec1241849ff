"""Cards for tests: an image as that of a Pi, made by the system's own programs, and bad media."""

import hashlib
import lzma
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

MB = 1 << 20
BOOT_AT, BOOT_BYTES = 3 * MB, 16 * MB  # FAT16, as small as it can be; begins within a chunk
ROOT_AT, ROOT_BYTES = 20 * MB, 5 * MB + 512  # ends within a chunk, as real ones do
IMAGE_BYTES = ROOT_AT + ROOT_BYTES
CARD_BYTES = 32 * MB
CONTENT = {
    "kernel8.img": "kernel" * 1000,
    "cmdline.txt": "console=tty1 root=PARTUUID=5e3da3da-02 rootwait\n",
    "config.txt": "\n",
}
_BEGIN_OF_PACKAGE = b"!<arch>\ndebian-binary   1411483200  0     0     100644  4         `\n2.0\n"
PACKAGE = _BEGIN_OF_PACKAGE + bytes(5000)
CLOUD_INIT = {"user-data": "#cloud-config\n", "meta-data": "", "network-config": ""}


def pi_image(path: Path, content: dict[str, str] | None = None, *, label: str = "dos") -> Path:
    """Make an image with a boot partition and a root file system that nobody looks into."""
    with path.open("wb") as file:
        file.truncate(IMAGE_BYTES + (MB if label == "gpt" else 0))
    boot, root = ("c", "83") if label == "dos" else ("uefi", "linux")
    script = (
        f"label: {label}\n"
        f"start={BOOT_AT // 512}, size={BOOT_BYTES // 512}, type={boot}\n"
        f"start={ROOT_AT // 512}, size={ROOT_BYTES // 512}, type={root}\n"
    )
    _ran(["/usr/sbin/sfdisk", "--quiet", str(path)], script)
    boot_file = path.with_suffix(".boot")
    with boot_file.open("wb") as file:
        file.truncate(BOOT_BYTES)
    _ran(["/usr/sbin/mkfs.vfat", "-F", "16", "-n", "bootfs", str(boot_file)])
    for name, text in (CONTENT | CLOUD_INIT if content is None else content).items():
        (path.parent / name).write_text(text)
        _ran(["mcopy", "-i", str(boot_file), str(path.parent / name), "::"])
    with path.open("r+b") as file:
        file.seek(BOOT_AT)
        file.write(boot_file.read_bytes())
        file.seek(ROOT_AT)
        file.write(noise(ROOT_BYTES))
    return path


@cache
def noise(count: int) -> bytes:
    """Return bytes that look like nothing, the same every time."""
    return random.Random(1).randbytes(count)  # noqa: S311 - no secret


def _ran(command: list[str], given: str = "") -> None:
    subprocess.run(command, input=given, text=True, check=True, capture_output=True)


@cache
def pi_bytes(label: str = "dos") -> bytes:
    """Return the image with nothing but the usual in it."""
    with tempfile.TemporaryDirectory() as folder:
        return pi_image(Path(folder) / "pi.img", label=label).read_bytes()


@cache
def pi_packed() -> tuple[bytes, str]:
    """Return it as it would be published, .img.xz, and the SHA-256 of that."""
    packed = lzma.compress(pi_bytes(), preset=0)
    return packed, hashlib.sha256(packed).hexdigest()


@contextmanager
def loop_device(file: Path) -> Iterator[str]:
    """Attach a file as a disk, for as long as a test takes; skip where nobody lets us."""
    if sys.platform != "linux":
        pytest.skip("loop devices are Linux's")
    attached = subprocess.run(
        ["/usr/sbin/losetup", "--find", "--partscan", "--show", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    if attached.returncode:
        pytest.skip(f"this machine has no loop devices for us: {attached.stderr.strip()}")
    path = attached.stdout.strip()
    try:
        yield path
    finally:
        subprocess.run(["/usr/sbin/losetup", "--detach", path], check=True)


class MemoryCard:
    """A card in memory that knows what was written, in which order, and when it was flushed."""

    def __init__(self, size: int = CARD_BYTES, content: bytes = b"") -> None:
        self.content = bytearray(content.ljust(size, b"\0"))
        self.size = size
        self.writes: list[tuple[int, bytes]] = []
        self.flushed: list[int] = []  # after so many writes

    def read_at(self, offset: int, count: int) -> bytes:
        return bytes(self.content[offset : offset + max(0, min(count, self.size - offset))])

    def write_at(self, offset: int, data: bytes) -> None:
        assert 0 <= offset <= self.size - len(data)
        self.writes.append((offset, bytes(data)))
        self.content[offset : offset + len(data)] = data

    def flush(self) -> None:
        self.flushed.append(len(self.writes))


class FoldedCard(MemoryCard):
    """A false card: what is beyond its true size is the same as what is at its beginning."""

    def __init__(self, size: int, true_size: int) -> None:
        super().__init__(true_size)
        self.size, self.true_size = size, true_size

    def read_at(self, offset: int, count: int) -> bytes:
        data = bytearray()
        for at, length in self._pieces(offset, min(count, self.size - offset)):
            data += self.content[at : at + length]
        return bytes(data)

    def write_at(self, offset: int, data: bytes) -> None:
        begin = offset
        for at, length in self._pieces(offset, len(data)):
            self.content[at : at + length] = data[begin - offset :][:length]
            begin += length

    def _pieces(self, offset: int, count: int) -> list[tuple[int, int]]:
        pieces, end = list[tuple[int, int]](), offset + count
        while offset < end:
            at = offset % self.true_size
            length = min(end - offset, self.true_size - at)
            pieces.append((at, length))
            offset += length
        return pieces


class ForgetfulCard(MemoryCard):
    """A false card: what is beyond its true size is gone."""

    def __init__(self, size: int, true_size: int) -> None:
        super().__init__(size)
        self.true_size = true_size

    def write_at(self, offset: int, data: bytes) -> None:
        super().write_at(offset, data[: max(0, self.true_size - offset)])


class WornCard(MemoryCard):
    """A card on which one bit stays as it is."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def read_at(self, offset: int, count: int) -> bytes:
        data = bytearray(super().read_at(offset, count))
        if offset <= self._at < offset + len(data):
            data[self._at - offset] ^= 1
        return bytes(data)


class FailingCard(MemoryCard):
    """A card that fails at its n-th write."""

    def __init__(self, writes: int, fails: Callable[[], BaseException]) -> None:
        super().__init__()
        self._left = writes
        self._fails = fails

    def write_at(self, offset: int, data: bytes) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._fails()
        super().write_at(offset, data)


class UnreadableCard(MemoryCard):
    """A card of which one place cannot be read any more."""

    def __init__(self, card: MemoryCard, at: int, number: int) -> None:
        super().__init__(card.size, bytes(card.content))
        self._at, self._number = at, number

    def read_at(self, offset: int, count: int) -> bytes:
        if offset <= self._at < offset + count:
            raise OSError(self._number, os.strerror(self._number))
        return super().read_at(offset, count)
