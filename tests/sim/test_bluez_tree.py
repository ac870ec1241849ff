"""The tree of objects answers what was signalled, also where nobody has looked for a while."""

from dbus_fast import Message, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_tree import ObjectTree, Properties

PATH = names.device_path("hci0", "C0:FF:EE:00:00:01")


def tree_with_device(signals: list[Message]) -> ObjectTree:
    tree = ObjectTree(signals.append)
    tree.add(PATH, {names.DEVICE: {"RSSI": Variant("n", -60)}})
    return tree


def latest() -> Properties:
    return {"RSSI": Variant("n", -50)}


def test_what_is_outdated_is_asked_for_when_somebody_looks_and_not_before() -> None:
    asked: list[str] = []

    def ask() -> Properties:
        asked.append("once")
        return latest()

    tree = tree_with_device([])
    tree.outdated(PATH, names.DEVICE, ask)
    tree.outdated(PATH, names.DEVICE, ask)
    assert asked == []
    for _ in range(2):
        assert tree.objects[PATH][names.DEVICE]["RSSI"].value == -50
    assert asked == ["once"]


def test_an_object_that_went_while_it_was_outdated_is_gone() -> None:
    signals: list[Message] = []
    tree = tree_with_device(signals)
    tree.outdated(PATH, names.DEVICE, latest)
    tree.remove(PATH)
    assert tree.objects == {}
    assert signals[-1].member == "InterfacesRemoved"


def test_a_change_comes_after_what_was_outdated() -> None:
    tree = tree_with_device([])
    tree.outdated(PATH, names.DEVICE, latest)
    tree.change(PATH, names.DEVICE, {}, ["RSSI"])
    assert tree.objects[PATH][names.DEVICE] == {}
