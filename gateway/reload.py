"""A changed configuration for a running agent: all of it, or nothing and the reason.

The file is read anew, with the secrets it refers to. One that has faults changes nothing. One that
changes what cannot be changed under a running agent changes nothing either, and names the keys.
Everything else is applied without losing an observation; what did not change is left alone.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.app import Agent
from gateway.config import InvalidConfigError, Settings
from gateway.config.changes import changes, concern
from gateway.errors import ConfigError

log = logging.getLogger(__name__)

# Who the gateway is, where it keeps what it owes and how it delivers it: another one of these is
# another run.
FIXED: Final = ("config_version", "gateway.org", "gateway.id", "store", "clock", "delivery")


# Who hears of changed settings beside the agent (the HTTP server, the log). Must not fail: the
# settings are valid.
Applier = Callable[[Settings], None]


class Outcome(msgspec.Struct, frozen=True):
    """What became of a reload; `cause` has a line per finding, `changed` the keys applied."""

    at_ns: int
    ok: bool
    cause: str = ""
    changed: tuple[str, ...] = ()


class Reloader:
    """Reads the configuration again when asked to.

    `load` returns valid settings or raises ConfigError; it runs aside, in a thread.
    """

    def __init__(
        self,
        agent: Agent,
        load: Callable[[], Settings],
        path: Path,
        appliers: Mapping[str, Applier],
    ) -> None:
        self.path = path
        self.loaded_at_ns = agent.clock.boot_ns()
        self.last: Outcome | None = None
        self._agent = agent
        self._load = load
        self._appliers = appliers  # by the section they care for

    async def reload(self) -> Outcome:
        """Read and apply, and say in the log what came of it."""
        self.last = outcome = await self._reload()
        if not outcome.ok:
            for finding in outcome.cause.splitlines():
                log.error("configuration not reloaded, nothing has changed: %s", finding)
            return outcome
        self.loaded_at_ns = outcome.at_ns
        log.info("configuration reloaded changed=%s", ",".join(outcome.changed) or "nothing")
        return outcome

    async def _reload(self) -> Outcome:
        agent = self._agent
        try:
            settings = await asyncio.to_thread(self._load)
            keys = tuple(changes(agent.settings, settings))
            _refuse_fixed(keys)
            await agent.become(settings, keys)
        except ConfigError as error:
            return Outcome(agent.clock.boot_ns(), ok=False, cause=_said(error))
        for section, apply in self._appliers.items():
            if concern(keys, section):
                apply(settings)
        return Outcome(agent.clock.boot_ns(), ok=True, changed=keys)


def _refuse_fixed(keys: tuple[str, ...]) -> None:
    if fixed := [key for key in keys if concern((key,), *FIXED)]:
        cause = f"{', '.join(fixed)} cannot be changed while the agent runs"
        raise ConfigError(cause, "systemctl restart ugw")


def _said(error: ConfigError) -> str:
    """Return what is wrong, a line for each finding."""
    if isinstance(error, InvalidConfigError):
        return "\n".join(finding.headline for finding in error.findings)
    return "; ".join(filter(None, (str(error), error.remedy)))
