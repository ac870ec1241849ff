"""Which version a board starts: on trial, confirmed, given up; with the power cut at any write."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.esp32 import boot, slots
from tests.esp32.machines import ROOT, Ended, run_on
from tests.flash.releases import FILES, modulus, release

STATES = st.fixed_dictionaries(
    {"slot": st.sampled_from("ab")},
    optional={
        "tries": st.integers(0, 5),
        "release": st.text("0123456789abcdef", max_size=32),
        "failed": st.lists(st.text("0123456789abcdef", max_size=32), max_size=4),
    },
)
ON_TRIAL = {"slot": "b", "tries": 3, "release": "r2", "failed": ["r0"]}


def starts(state: dict[str, Any], times: int) -> list[tuple[str, Any]]:
    seen = []
    for _ in range(times):
        state = boot.due(state)
        seen.append((state["slot"], state.get("tries")))
    return seen


def test_a_version_on_trial_is_started_three_times_and_then_given_up() -> None:
    assert starts(ON_TRIAL, 6) == [
        *[("b", 2), ("b", 1), ("b", 0)],
        *[("a", None), ("a", None), ("a", None)],
    ]
    given_up = boot.due({**ON_TRIAL, "tries": 0})
    assert given_up == {"slot": "a", "failed": ["r0", "r2"]}


def test_an_acknowledged_message_ends_the_trial_well(tmp_path: Path) -> None:
    root = str(tmp_path)
    slots.store(root, ON_TRIAL)
    assert "tries" in slots.load(root)
    assert slots.judge(root, acknowledged=False, now_ms=599_999) == "trial"
    assert slots.judge(root, acknowledged=True, now_ms=599_999) == "confirmed"
    assert "tries" not in slots.load(root)
    assert starts(slots.load(root), 2) == [("b", None), ("b", None)]
    assert slots.load(root)["failed"] == ["r0"]


def test_ten_minutes_without_one_end_it_at_the_next_start(tmp_path: Path) -> None:
    root = str(tmp_path)
    slots.store(root, ON_TRIAL)
    assert slots.judge(root, acknowledged=False, now_ms=600_000) == "failed"
    assert starts(slots.load(root), 1) == [("a", None)]
    assert "r2" in boot.due(slots.load(root))["failed"]


@given(STATES)
def test_a_start_never_gives_more_tries_and_comes_to_rest(state: dict[str, Any]) -> None:
    tries = [each[1] for each in starts(state, 8)]
    assert tries[-1] is None or state.get("tries", 0) > 5
    assert len(boot.due(state).get("failed", [])) <= boot.FAILED


@given(STATES)
def test_only_a_version_on_trial_is_ever_left(state: dict[str, Any]) -> None:
    after = boot.due(state)
    if after["slot"] != state["slot"]:
        assert state["tries"] == 0
        assert state.get("release", "") in after["failed"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"slot": "c"}', '{"slot": 1}', "null", "{}"])
def test_a_state_that_cannot_be_read_starts_what_is_whole(tmp_path: Path, text: str) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest").write_text("x")
    (tmp_path / "slots.json").write_text(text)
    assert boot.load(str(tmp_path)) == {"slot": "b"}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "manifest").write_text("x")
    assert boot.load(str(tmp_path)) == {"slot": "a"}


def test_no_part_of_a_state_is_believed_for_the_whole_on_micropython(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "manifest").write_text("ugw-release 1 1 ugw 0.1\n")
    ended = run_on("32", ROOT / "tests/esp32/vm_slots.py", str(tmp_path))

    assert ended.code == 0, ended.text
    believed, whole = json.loads(ended.text)
    assert whole == ON_TRIAL
    assert believed == [{"slot": "a"}]


@given(STATES)
def test_what_slots_write_boot_reads(state: dict[str, Any]) -> None:
    assert json.loads(json.dumps(state)) == state
    judged = slots.judged({**ON_TRIAL, **state}, acknowledged=True, now_ms=0)
    assert boot.due(judged) == judged


# ------------------------------------------------------------------------------------ the start
class _Reset(BaseException):
    """The board starts anew."""


def start(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run boot.py as a board does, until it resets; what the versions said."""
    said: list[str] = []

    def reset() -> None:
        raise _Reset

    machine = ModuleType("machine")
    machine.reset = reset  # type: ignore[attr-defined]
    machine.WDT = lambda timeout: said.append(f"watched for {timeout}")  # type: ignore[attr-defined]
    for name, module in list(sys.modules.items()):
        if name == "gateway" or name.startswith("gateway."):
            monkeypatch.delitem(sys.modules, name)
            assert module is not None
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "print_exception", lambda e: said.append(repr(e)), raising=False)
    monkeypatch.setattr("time.sleep_ms", lambda _: None, raising=False)
    monkeypatch.setattr("builtins.said", said, raising=False)
    scope: dict[str, Any] = {"__name__": "boot"}
    exec(compile((ROOT / "gateway/esp32/boot.py").read_text(), "main.py", "exec"), scope)  # noqa: S102
    with pytest.raises(_Reset):
        scope["run"](str(root))
    return said


def version(root: Path, slot: str, main: str) -> None:
    folder = root / slot / "gateway" / "esp32"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "main.py").write_text(f"import builtins\n{main}\n")
    (root / slot / "manifest").write_text("ugw-release 1 1 ugw 0.1\n")


RUNS = "def run(root):\n    builtins.said.append({!r})"


def on_trial(root: Path) -> None:
    slots.store(str(root), {"slot": "a", "failed": []})
    slots.try_out(str(root), "b", "r2")


def test_the_version_that_is_due_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version(tmp_path, "a", RUNS.format("a runs"))
    version(tmp_path, "b", RUNS.format("b runs"))
    slots.store(str(tmp_path), {"slot": "a"})
    assert start(tmp_path, monkeypatch) == ["a runs"]
    on_trial(tmp_path)
    assert start(tmp_path, monkeypatch) == ["watched for 120000", "b runs"]
    assert slots.load(str(tmp_path))["tries"] == 2


@pytest.mark.parametrize(
    "broken", ["import nowhere", "def", "raise MemoryError", "1 / 0", "x = 5", "import gateway.no"]
)
def test_a_new_version_that_cannot_be_imported_leads_back_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    version(tmp_path, "a", RUNS.format("a runs"))
    version(tmp_path, "b", broken)
    on_trial(tmp_path)
    with monkeypatch.context() as patch:
        assert "a runs" not in start(tmp_path, patch)
    assert start(tmp_path, monkeypatch) == ["a runs"]
    assert slots.load(str(tmp_path))["failed"] == ["r2"]


def test_a_new_version_that_ends_again_and_again_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version(tmp_path, "a", RUNS.format("a runs"))
    version(tmp_path, "b", "def run(root):\n    raise OSError(5)")
    on_trial(tmp_path)
    for _ in range(3):
        with monkeypatch.context() as patch:
            assert start(tmp_path, patch)[1:] == ["OSError(5)"]
    assert start(tmp_path, monkeypatch) == ["a runs"]


def test_a_version_that_forgets_its_trial_is_ended_by_a_timer(tmp_path: Path) -> None:
    timers: list[dict[str, Any]] = []
    resets: list[str] = []
    machine = SimpleNamespace(
        WDT=lambda timeout: None,  # noqa: ARG005 - its keyword
        Timer=lambda _: SimpleNamespace(init=lambda **settings: timers.append(settings)),
        reset=lambda: resets.append("reset"),
    )
    machine.Timer.ONE_SHOT = 0
    slots.store(str(tmp_path), ON_TRIAL)
    boot.watch(machine, str(tmp_path))

    assert timers[0]["period"] > 600_000
    timers[0]["callback"](None)
    assert resets == ["reset"]
    slots.judge(str(tmp_path), acknowledged=True, now_ms=0)
    timers[0]["callback"](None)
    assert resets == ["reset"]


# ------------------------------------------------------------------------------- the power is cut
def played(tmp_path: Path, planted: str = "") -> Ended:
    """Update a littlefs on the VM, and look at it at every write."""
    old, new = release(1), release(2, {**FILES, "gateway/esp32/main.mpy": b"new main" * 200})
    for name, content in {
        **{f"chip/a/{path}": data for path, data in old.files.items()},
        "chip/a/manifest": old.manifest,
        "chip/b/manifest": b"ugw-release 1 0 before",
        "chip/b/gateway/gone.mpy": b"gone",
        "chip/b/gateway/esp32/main.mpy": b"of the one before",
        "chip/slots.json": b'{"slot": "a"}\n',
        "chip/site/update.key": modulus(),
        "offer": new.offer,
        "planted.py": planted.encode(),
        **{f"pieces/{number}": piece for number, piece in enumerate(new.pieces())},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return run_on("32", ROOT / "tests/esp32/vm_update.py", str(tmp_path), heap="8M")


def test_whatever_write_the_power_is_cut_at_a_whole_version_starts(tmp_path: Path) -> None:
    ended = played(tmp_path)

    assert ended.code == 0, ended.text
    seen = {(number, tries): count for number, tries, count in json.loads(ended.text)}
    assert set(seen) == {(1, None), (2, 2), (2, 1), (2, 0), (2, None)}
    assert seen[1, None] > 50


PLANTED = {
    "slots.json before the files": (
        "old = offer._begun\n"
        "def begun(agent, words, release, running):\n"
        "    slots.try_out(ROOT, 'b', release)\n"
        "    return old(agent, words, release, running)\n"
        "offer._begun = begun\n"
    ),
    "the manifest before the files": (
        "old = update._next_file\n"
        "def next_file(state):\n"
        "    if state['at'] == 0:\n"
        "        os.rename('/flash/b/manifest.new', '/flash/b/manifest')\n"
        "        slots.try_out(ROOT, 'b', state['release'])\n"
        "        with open('/flash/b/manifest') as a:\n"
        "            with open('/flash/b/manifest.new', 'w') as b:\n"
        "                b.write(a.read())\n"
        "    return old(state)\n"
        "update._next_file = next_file\n"
    ),
    "the second file unchecked": (
        "old = update._is_right\n"
        "async def is_right(path, state):\n"
        "    if path.endswith('b/gateway/esp32/main.mpy') and state['asked'] >= 0:\n"
        "        try:\n"
        "            return os.stat(path)[6] == state['size']\n"
        "        except OSError:\n"
        "            return False\n"
        "    return await old(path, state)\n"
        "update._is_right = is_right\n"
        "with open(HERE + '/chip/a/gateway/esp32/main.mpy', 'rb') as a:\n"
        "    damaged = b'x' * 1600\n"
        "with open('/flash/b/gateway/esp32/main.mpy', 'wb') as b:\n"
        "    b.write(damaged)\n"
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_wrong_order_of_writes_would_be_noticed(tmp_path: Path, planted: str) -> None:
    ended = played(tmp_path, PLANTED[planted])

    assert ended.code == 1, ended.text
    assert "cut at write" in ended.text
