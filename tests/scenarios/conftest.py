"""A stage per scenario."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios import stage


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    """Play a scenario on a stage of its own: `play(body)`, `play(body, Setting(...))`."""

    def on_stage(body: stage.Body, setting: stage.Setting | None = None) -> None:
        stage.play(body, tmp_path, setting or stage.Setting(), guard_s=240.0)

    return on_stage
