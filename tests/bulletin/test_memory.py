"""Words for the runs to come: the newest wins, and none stands in the way of the end."""

import asyncio

from gateway.bulletin import Memory
from gateway.errors import BacklogError
from tests.bulletin.board import FakeStore


class BrokenStore(FakeStore):
    """A store that cannot be written."""

    async def remember(self, key: str, value: str) -> None:
        cause = f"{key}: input/output error, {value} not written"
        raise BacklogError(cause)


class SlowStore(FakeStore):
    """A store that is interrupted while it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(self, self.errands.append)

    async def remember(self, key: str, value: str) -> None:
        await super().remember(key, value)
        if value == "old":
            self.memory.write(key, "new")


def test_a_word_that_is_new_while_another_is_written_is_written_after_it() -> None:
    store = SlowStore()
    store.memory.write("key", "old")
    asyncio.run(store.work())
    assert store.words == {"key": "new"}


def test_the_newest_word_is_read_whether_or_not_it_is_written_yet() -> None:
    store = FakeStore()
    memory = Memory(store, store.errands.append, {"key": "of an earlier run"})
    read = [memory.read("key"), memory.read("other")]
    memory.write("key", "new")
    assert [*read, memory.read("key")] == ["of an earlier run", "", "new"]
    assert not store.words


def test_who_waits_for_a_word_waits_until_it_or_a_newer_one_is_written() -> None:
    store = SlowStore()
    written = store.memory.write("key", "old")

    async def one_turn() -> None:
        await store.errands.pop(0)()

    asyncio.run(one_turn())
    assert (store.words, written.is_set()) == ({"key": "old"}, False)  # a newer one came
    asyncio.run(store.work())
    assert (store.words, written.is_set()) == ({"key": "new"}, True)


def test_what_waits_at_the_end_is_written_and_once() -> None:
    store = FakeStore()
    memory = Memory(store, store.errands.append)
    memory.write("one", "1")
    memory.write("two", "2")

    async def end() -> None:
        await memory.flush()
        store.words["one"] = "of somebody else"
        await store.work()  # what was ordered before comes too late, and does nothing

    asyncio.run(end())
    assert store.words == {"one": "of somebody else", "two": "2"}


def test_a_store_that_fails_at_the_end_is_not_insisted_on() -> None:
    store = BrokenStore()
    memory = Memory(store, store.errands.append)
    memory.write("one", "1")
    asyncio.run(memory.flush())
    assert not store.words
