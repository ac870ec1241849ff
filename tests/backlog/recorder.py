"""A folder of which every change is written down: by SQLite, and by the store's own hands.

SQLite is seen through a VFS (failing_disk), what the store does itself through `os`. Syncs are
only written down. The record is complete or refused: `check` compares it with the folder.
"""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import apsw

from tests.backlog.failing_disk import (
    Disk,
    Fault,
    File,
    FileName,
    Lost,
    Operation,
    Sync,
    Truncate,
    Write,
)
from tests.backlog.platter import Create, Rename, Step, SyncFolder, Unlink, put

LOCK: Final = "backlog.lock"  # nothing stands in it
_FOLDER: Final = "."
_WITH_FOLDER: Final = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class Recorder(Disk):
    """The record of one folder, from the files it began with."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.folder = Path()
        self.steps: list[Step] = []
        self.is_recording = False
        self._labels: dict[str, str] = {}  # name -> file
        self._data: dict[str, bytearray] = {}  # file -> what stands in it
        self._descriptors: dict[int, str] = {}  # of what was opened by the store itself

    def begin(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Begin a new record: of files that are all durable."""
        self.move(folder)
        self.steps = []
        self._labels = {name: name for name in files}
        self._data = {name: bytearray(data) for name, data in files.items()}
        folder.mkdir(parents=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)

    def move(self, folder: Path) -> None:
        """Go on with a copy of the folder: whoever had it open has been killed."""
        self.folder = folder
        self._descriptors.clear()

    def fail(self, after: int, length: int, fault: Fault | None) -> None:
        """Let `length` operations of SQLite fail, from the one on that comes `after` others."""
        first = len(self.operations) + after
        self._failing, self._fault = range(first, first + length), fault

    def check(self) -> None:
        """Fail if something was done to the folder that is not in the record."""
        found = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        found.pop(LOCK, None)
        noted = {name: self._data[file] for name, file in self._labels.items()}
        differing = {name for name in found | noted if found.get(name) != noted.get(name)}
        assert not differing

    # -------------------------------------------------------------------------- what SQLite does
    def did(self, operation: Operation) -> None:
        if not self.is_recording or not operation.file:
            return
        try:
            super().did(operation)
        except BaseException:
            if isinstance(self.operations[-1], Lost):  # any other has changed nothing
                self._note(self.operations[-1])
            raise
        self._note(operation)

    def _note(self, step: Step) -> None:
        self.steps.append(step)
        if isinstance(step, Write):
            put(self._data[step.file], step.offset, step.data)
        elif isinstance(step, Truncate):
            del self._data[step.file][step.size :]

    def note_folder(self) -> None:
        if self.is_recording:
            self._note(SyncFolder())

    def label(self, path: Path) -> str:
        """Return the label of a file that is there, which may be new; empty: not in the folder."""
        if path.parent != self.folder or path.name == LOCK or not self.is_recording:
            return ""
        if path.name not in self._labels:
            file = f"{path.name}#{len(self.steps)}"
            self._labels[path.name], self._data[file] = file, bytearray()
            self._note(Create(path.name, file))
        return self._labels[path.name]

    def xOpen(self, name: FileName, flags: list[int]) -> File:  # noqa: N802 - apsw's name
        return RecordedFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - apsw's
        apsw.VFS.xDelete(self, filename, False)  # noqa: FBT003
        self._unlinked(Path(filename))
        if syncdir:
            self.note_folder()

    # ---------------------------------------------------------------- what the store does itself
    @contextmanager
    def watching(self) -> Generator[None]:
        """See what is done by way of `os`, by this process."""
        wrapped: dict[str, Callable[..., Any]] = {
            "open": self._open,
            "fsync": self._fsync,
            "rename": self._rename,
            "replace": self._rename,
            "unlink": self._unlink,
            "posix_fallocate": self._allocate,
        }
        really = {name: getattr(os, name) for name in wrapped}
        patches = [
            mock.patch.object(os, name, _calling(wrapped[name], really[name])) for name in wrapped
        ]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()

    def _open(
        self, really: Callable[..., int], path: str | Path, flags: int, *rest: int, **more: int
    ) -> int:
        descriptor = really(path, flags, *rest, **more)
        self._descriptors.pop(descriptor, None)
        if Path(path) == self.folder:
            self._descriptors[descriptor] = _FOLDER
        elif file := self.label(Path(path)):
            self._descriptors[descriptor] = file
            if flags & os.O_TRUNC and self._data[file]:
                self._note(Truncate(file, 0))
        return descriptor

    def _fsync(self, really: Callable[[int], None], descriptor: int) -> None:
        file = self._descriptors.get(descriptor, "")
        if file == _FOLDER:
            self.note_folder()
        elif file and self.is_recording:
            self._catch_up(file)
            self._note(Sync(file))
        else:
            really(descriptor)

    def _rename(self, really: Callable[[Any, Any], None], old: Any, new: Any) -> None:  # noqa: ANN401 - as os has it
        file = self._labels.get(Path(old).name, "") if Path(old).parent == self.folder else ""
        if file:
            self._catch_up(file)
        really(old, new)
        if file and self.is_recording:
            self._labels[Path(new).name] = self._labels.pop(Path(old).name)
            self._note(Rename(Path(old).name, Path(new).name, file))

    def _unlink(self, really: Callable[..., None], path: Any, **more: Any) -> None:  # noqa: ANN401 - as os has it
        really(path, **more)
        self._unlinked(Path(path))

    def _unlinked(self, path: Path) -> None:
        if path.parent == self.folder and self.is_recording and path.name in self._labels:
            del self._labels[path.name]
            self._note(Unlink(path.name))

    def _allocate(
        self, really: Callable[[int, int, int], None], descriptor: int, offset: int, size: int
    ) -> None:
        really(descriptor, offset, size)
        if file := self._descriptors.get(descriptor):
            self._note(Write(file, offset, bytes(size)))

    def _catch_up(self, file: str) -> None:
        """Note what was written by way of a file object."""
        (name,) = [name for name, each in self._labels.items() if each == file]
        data = (self.folder / name).read_bytes()
        if data != bytes(self._data[file]):
            assert len(data) >= len(self._data[file])
            self._note(Write(file, 0, data))


def _calling(ours: Callable[..., Any], really: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values, **named: ours(really, *values, **named)


class RecordedFile(File):
    """One open file, known by its label, whatever its name becomes."""

    def __init__(self, recorder: Recorder, name: FileName, flags: list[int]) -> None:
        super().__init__(recorder, name, flags)
        self._recorder = recorder
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = recorder.label(Path(path)) if path else ""
        # SQLite's "unix" syncs the folder with the first sync of such a file.
        self._syncs_folder = bool(self._name and flags[0] & _WITH_FOLDER)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        super().xSync(flags)
        if self._syncs_folder:
            self._recorder.note_folder()
            self._syncs_folder = False
