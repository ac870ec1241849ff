"""The tree of D-Bus objects that bluetoothd shows, and the signals that its changes make.

Every change goes through here, so what GetManagedObjects answers and what the signals said never
differ.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names

Properties = dict[str, Variant]
Interfaces = dict[str, Properties]


class ObjectTree:
    """Objects by path. `emit` is handed each signal."""

    def __init__(self, emit: Callable[[Message], None]) -> None:
        self._emit = emit
        self.objects: dict[str, Interfaces] = {}
        self._children: dict[str, set[str]] = {}

    def add(self, path: str, interfaces: Interfaces) -> None:
        """Show an object and signal InterfacesAdded."""
        self.objects[path] = interfaces
        self._children.setdefault(_parent(path), set()).add(path)
        self._signal(
            "/", names.OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces]
        )

    def remove(self, path: str) -> None:
        """Take away an object and all below it, the lowest first, each with its signal."""
        for gone in sorted((path, *self.below(path)), reverse=True):
            interfaces = list(self.objects.pop(gone, {}))
            self._children.get(_parent(gone), set()).discard(gone)
            self._children.pop(gone, None)
            if interfaces:
                body = [gone, interfaces]
                self._signal("/", names.OBJECT_MANAGER, "InterfacesRemoved", "oas", body)

    def below(self, path: str) -> list[str]:
        """Return the paths below one, at whatever depth."""
        children = sorted(self._children.get(path, ()))
        return [below for child in children for below in (child, *self.below(child))]

    def clear(self) -> None:
        """Forget every object and say nothing."""
        self.objects.clear()
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
        self._emit(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
