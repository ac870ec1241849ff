"""The page of the log leaves no message out, however it is written down in the source."""

from pathlib import Path

import pytest

from tools.docs import log_messages
from tools.docs.markup import MissingWordsError

SOURCE = """
log.warning("door open since_s=%d", 3)
log.error(line, 1)
line = "door %s is %s%s: 0x%02x"
_log.log(level, "window open")
log.debug(word)
other.info("not ours")
"""


def test_every_message_is_found_with_its_level(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE)
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim/b.py").write_text('log.info("of a developer\'s machine")')
    assert log_messages.messages(tmp_path) == {
        "door open since_s=...": ["warning"],
        "door ... is ...: ...": ["error"],
        "window open": ["info or warning"],
        "word": ["debug"],
    }


def test_a_message_without_a_meaning_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    group, words = next(iter(log_messages.MEANINGS.items()))
    fewer = {**log_messages.MEANINGS, group: dict(list(words.items())[1:])}
    monkeypatch.setattr(log_messages, "MEANINGS", fewer)
    with pytest.raises(MissingWordsError, match="say what these mean: \\['started "):
        log_messages.page()
