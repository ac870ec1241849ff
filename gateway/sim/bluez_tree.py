"""The tree of D-Bus objects that bluetoothd shows, and the signals that its changes make.

Every change goes through here, so what GetManagedObjects answers and what the signals said never
differ.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names

Properties = dict[str, Variant]
Interfaces = dict[str, Properties]


class ObjectTree:
    """Objects by path. `emit` is handed each signal."""

    def __init__(self, emit: Callable[[Message], None]) -> None:
        self._emit = emit
        self._objects: dict[str, Interfaces] = {}
        self._children: dict[str, set[str]] = {}
        self._outdated: dict[str, tuple[str, Callable[[], Properties]]] = {}
        self._held: list[Message] | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold signals back to its end, as gdbus does until its loop is idle (gdbus/object.c).

        So a client has the answer to its call before the changes that the call made. Only what is
        taken away is told at once, and before it what was held.
        """
        self._held = []
        try:
            yield
        finally:
            self._release()
            self._held = None

    def _release(self) -> None:
        held, self._held = self._held or [], []
        for signal in held:
            self._emit(signal)

    @property
    def objects(self) -> Mapping[str, Interfaces]:
        """What is shown, up to date."""
        for path, (interface, latest) in self._outdated.items():
            self._objects[path][interface].update(latest())
        self._outdated.clear()
        return self._objects

    def outdated(self, path: str, interface: str, latest: Callable[[], Properties]) -> None:
        """Have some properties asked for by whoever looks next: their signal is sent already.

        Every advertisement changes its device, and hardly anybody ever asks for one.
        """
        self._outdated[path] = interface, latest

    def add(self, path: str, interfaces: Interfaces) -> None:
        """Show an object and signal InterfacesAdded."""
        self._objects[path] = interfaces
        self._children.setdefault(_parent(path), set()).add(path)
        self._signal(
            "/", names.OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces]
        )

    def remove(self, path: str) -> None:
        """Take away an object and all below it, the lowest first, each with its signal."""
        for gone in sorted((path, *self.below(path)), reverse=True):
            interfaces = list(self._objects.pop(gone, {}))
            self._outdated.pop(gone, None)
            self._children.get(_parent(gone), set()).discard(gone)
            self._children.pop(gone, None)
            if interfaces:
                body = [gone, interfaces]
                self._signal("/", names.OBJECT_MANAGER, "InterfacesRemoved", "oas", body)

    def children(self, path: str) -> list[str]:
        """Return the last parts of all paths one level below one, whether objects or not."""
        prefix = "/" if path == "/" else f"{path}/"
        found = {
            one.removeprefix(prefix).split("/")[0]
            for one in self._objects
            if one.startswith(prefix)
        }
        return sorted(found)

    def below(self, path: str) -> list[str]:
        """Return the paths below one, at whatever depth."""
        children = sorted(self._children.get(path, ()))
        return [below for child in children for below in (child, *self.below(child))]

    def clear(self) -> None:
        """Forget every object and say nothing."""
        self._objects.clear()
        self._outdated.clear()
        self._children.clear()

    def properties(self, path: str, interface: str) -> Properties | None:
        """Return the live properties of an object's interface, None when it has none such."""
        return self.objects.get(path, {}).get(interface)

    def flag(self, path: str, interface: str, name: str) -> bool:
        """Return a boolean property; what is not there is false."""
        value = (self.properties(path, interface) or {}).get(name)
        return value is not None and bool(value.value)

    def change(
        self,
        path: str,
        interface: str,
        changed: Mapping[str, Variant],
        invalidated: Iterable[str] = (),
    ) -> None:
        """Change properties and signal PropertiesChanged; an object that is gone is left alone."""
        properties = self.properties(path, interface)
        if properties is None:
            return
        gone = list(invalidated)
        properties.update(changed)
        for name in gone:
            properties.pop(name, None)
        body = [interface, dict(changed), gone]
        self._signal(path, names.PROPERTIES, "PropertiesChanged", "sa{sv}as", body)

    def _signal(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        signal = Message(
            message_type=MessageType.SIGNAL,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body,
        )
        if self._held is None:
            self._emit(signal)
            return
        self._held.append(signal)
        if member == "InterfacesRemoved":
            self._release()


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
