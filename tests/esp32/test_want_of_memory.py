"""A want of memory costs an ESP32 a moment, or a frame that is counted: no observation, no law."""

from typing import Any

import pytest

from tests.esp32.delivery_desk import Desk


@pytest.mark.parametrize("call", ["begin", "add", "send"])
@pytest.mark.parametrize("stored", [False, True], ids=["ring", "store"])
def test_without_memory_for_a_packet_it_is_sent_when_there_is_some(
    call: str,
    stored: bool,  # noqa: FBT001 - a case of the table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    for _ in range(3):
        desk.offer()
    if stored:
        desk.wait(1_000)
        assert desk.delivery.in_backlog() == 3
    uplink: Any = desk.uplink
    works, failures = getattr(uplink, call), [MemoryError(), MemoryError()]

    def fails(*given: object) -> object:
        if failures:
            raise failures.pop()
        return works(*given)

    monkeypatch.setattr(uplink, call, fails)
    desk.up()
    desk.wait(10_000)
    assert not failures
    desk.acknowledge_all()
    assert desk.counts.delivered == desk.counts.observed == 3
    assert desk.delivery.in_memory() == desk.delivery.in_backlog() == 0
    assert sorted(key for sent in uplink.sent for key in sent.keys) == sorted(desk.offered)
