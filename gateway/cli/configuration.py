"""The configuration as commands load it: checked against the drivers that are installed."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from gateway.config import (
    DEFAULT_PATH,
    SerialSettings,
    Settings,
    Whereabouts,
    load,
    whereabouts,
)
from gateway.errors import ConfigError
from gateway.registry import Registry, discover

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The configuration.", show_default=True),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

DEFAULT = DEFAULT_PATH


def load_settings(path: Path) -> tuple[Settings, Registry]:
    """Load a configuration. Raises InvalidConfigError with all that is wrong with it."""
    registry = installed_drivers()
    return load_with(registry, path), registry


def load_with(registry: Registry, path: Path) -> Settings:
    """Load a configuration for these drivers. Raises InvalidConfigError, as `load_settings`."""
    settings = load(path, drivers=registry.models(), modems=registry.modems())
    _check_radio(settings, registry)
    return settings


def agent_of(path: Path) -> Whereabouts:
    """Find the agent that was started with a configuration, which may be broken since."""
    # It brings rich, which the agent, whose settings are loaded here too, starts without.
    from gateway.cli.terminal import note  # noqa: PLC0415

    found = whereabouts(path)
    for unread in found.notes:
        note(unread)
    return found


def installed_drivers() -> Registry:
    """Find the drivers. One that cannot be used is in the registry, and said by who asked."""
    logging.disable()
    try:
        return discover()
    finally:
        logging.disable(logging.NOTSET)


def _check_radio(settings: Settings, registry: Registry) -> None:
    """Have each modem's driver look at its settings, before anybody relies on them."""
    for source in settings.transports:
        if isinstance(source, SerialSettings):
            try:
                registry.modem(source.modem).connect().setup(source.modem_settings)
            except ValueError as error:
                cause = f"{source.name}: {source.modem}: {error}"
                raise ConfigError(cause) from None


def notes(settings: Settings, registry: Registry) -> Iterator[str]:
    """Say what works, but perhaps not as it was meant."""
    for broken in registry.quarantined:
        yield f"driver {broken.name} is not used: {broken.file}:{broken.line}: {broken.reason}"
    yield from settings.notes()
