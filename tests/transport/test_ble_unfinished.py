"""Whose doing it is that an adapter has no power: what is kept of it, before, and for how long."""

import asyncio

import pytest

from gateway.health import TransportHealth
from gateway.transport.ble import NoWords, Rung
from gateway.transport.ble import unfinished as module
from gateway.transport.ble.recovery import Recovery
from gateway.transport.ble.remedies import LeftAloneError, RemedyError
from gateway.transport.ble.unfinished import Unfinished

BOOT, ADDRESS = "boot-1", "00:00:00:00:5E:00"
POWER = Rung("power", after_s=0.0, least_s=0.0, most_s=0.0)


def kept(words: NoWords, *, boot_id: str = BOOT, transport: str = "ble:hci0") -> Unfinished:
    """Return what a run knows of what was kept."""
    return Unfinished(transport, words, boot_id)


def begun(words: NoWords, address: str = ADDRESS) -> NoWords:
    """Have a run begin, and be killed."""
    asyncio.run(kept(words).begin(address))
    return words


def test_what_a_run_has_begun_the_next_one_knows() -> None:
    words = NoWords()
    assert not kept(words).is_it(ADDRESS)
    begun(words)
    assert kept(words).is_it(ADDRESS)


def test_another_adapter_in_its_place_is_none_of_our_business() -> None:
    words = begun(NoWords())
    assert not kept(words).is_it("00:00:00:00:5E:07")
    assert not kept(words, transport="ble:hci1").is_it(ADDRESS)


def test_one_whose_address_bluez_would_not_tell_is_whichever_is_there() -> None:
    assert kept(begun(NoWords(), "")).is_it(ADDRESS)


def test_in_another_boot_of_the_machine_whoever_has_switched_it_off_was_not_us() -> None:
    words = begun(NoWords())
    assert not kept(words, boot_id="boot-2").is_it(ADDRESS)
    assert not kept(NoWords(), boot_id="").is_it("")


def test_once_it_has_power_it_is_forgotten() -> None:
    words = begun(NoWords())
    kept(words).end()
    assert not kept(words).is_it(ADDRESS)


# ------------------------------------------------------------------------------------- the climb
class SlowWords(NoWords):
    """A store that takes its time, or for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = asyncio.Event()

    def write(self, key: str, word: str) -> asyncio.Event:
        super().write(key, word)
        return self.kept


class Switch:
    """The remedies of an adapter whose power is a flag. `refusal`: what becomes of the next."""

    def __init__(self, refusal: RemedyError | None = None) -> None:
        self.cycles = 0
        self.refusal = refusal
        self.begun = asyncio.Event()

    async def power_cycle(self, adapter: str) -> None:
        assert adapter == "hci0"
        if self.refusal:
            raise self.refusal
        self.cycles += 1

    async def switch_on(self, adapter: str) -> None:
        raise NotImplementedError

    async def restart_service(self) -> None:
        raise NotImplementedError


class PatientSwitch(Switch):
    """An adapter that is without power until the agent ends."""

    async def power_cycle(self, adapter: str) -> None:
        assert adapter == "hci0"
        self.begun.set()
        await asyncio.get_running_loop().create_future()


class StuckSwitch(Switch):
    """An adapter that would not go on again when the agent ends."""

    async def power_cycle(self, adapter: str) -> None:
        try:
            self.begun.set()
            await asyncio.get_running_loop().create_future()
        finally:
            cause = f"{adapter} was not switched on: org.bluez.Error.Failed"
            raise RemedyError(cause)


def climber(switch: Switch, words: NoWords) -> Recovery:
    """Return who climbs a ladder of one rung that is always due."""
    record = TransportHealth(kind="ble", name="ble:hci0")
    return Recovery((POWER,), switch, record, lambda: 0, kept(words))


def test_the_power_goes_only_once_the_word_of_it_is_kept() -> None:
    async def scenario() -> None:
        words, switch = SlowWords(), Switch()
        climbing = asyncio.create_task(climber(switch, words).climb("hci0", ADDRESS, since_ns=0))
        for _ in range(10):
            await asyncio.sleep(0)
        assert kept(words).is_it(ADDRESS)
        assert switch.cycles == 0
        words.kept.set()
        await climbing
        assert switch.cycles == 1
        assert not kept(words).is_it(ADDRESS)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_end_after_which_the_adapter_has_power_leaves_no_word(*, is_kept: bool) -> None:
    """While the word is waited for nothing was switched off; later, it is on again."""

    async def scenario() -> None:
        words, switch = SlowWords(), PatientSwitch()
        if is_kept:
            words.kept.set()
        climbing = asyncio.create_task(climber(switch, words).climb("hci0", ADDRESS, since_ns=0))
        for _ in range(10):
            await asyncio.sleep(0)
        assert kept(words).is_it(ADDRESS)
        assert switch.begun.is_set() == is_kept
        climbing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await climbing
        assert not kept(words).is_it(ADDRESS)

    asyncio.run(scenario())


def test_a_store_that_keeps_nothing_does_not_leave_an_adapter_wedged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_KEPT_WITHIN_S", 0.01)

    async def scenario() -> None:
        words, switch = SlowWords(), Switch()
        await climber(switch, words).climb("hci0", ADDRESS, since_ns=0)
        assert switch.cycles == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("refusal", "is_ours"), [(LeftAloneError("in use"), False), (RemedyError("stuck"), True)]
)
def test_what_was_not_begun_is_not_ours_and_what_may_be_half_done_is(
    refusal: RemedyError, *, is_ours: bool
) -> None:
    words = NoWords()
    asyncio.run(climber(Switch(refusal), words).climb("hci0", ADDRESS, since_ns=0))
    assert kept(words).is_it(ADDRESS) is is_ours


def test_an_adapter_that_would_not_go_on_again_does_not_keep_the_agent_from_ending() -> None:
    async def scenario() -> None:
        words, switch = NoWords(), StuckSwitch()
        climbing = asyncio.create_task(climber(switch, words).climb("hci0", ADDRESS, since_ns=0))
        await switch.begun.wait()
        climbing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await climbing
        assert kept(words).is_it(ADDRESS)  # for the next run

    asyncio.run(scenario())
