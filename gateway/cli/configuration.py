"""The configuration as commands load it: checked against the drivers that are installed."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.config import DEFAULT_PATH, Settings, Whereabouts, load, whereabouts
from gateway.config.findings import printable
from gateway.registry import Registry, discover

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The configuration.", show_default=True),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

DEFAULT = DEFAULT_PATH
DRIVERS: Final = DEFAULT_PATH.with_name("drivers")  # of the user, unless UGW_DRIVERS says where


def load_settings(path: Path) -> tuple[Settings, Registry]:
    """Load a configuration. Raises InvalidConfigError with all that is wrong with it."""
    registry = installed_drivers()
    return load_with(registry, path), registry


def load_with(registry: Registry, path: Path) -> Settings:
    """Load a configuration for these drivers. Raises InvalidConfigError, as `load_settings`."""
    return load(
        path,
        drivers=(*registry.models(), *registry.missing),
        modems={name: registry.modem(name).check for name in registry.modems()},
        pollers=registry.pollers(),
    )


def agent_of(path: Path) -> Whereabouts:
    """Find the agent that was started with a configuration, which may be broken since."""
    # It brings rich, which the agent, whose settings are loaded here too, starts without.
    from gateway.cli.terminal import note  # noqa: PLC0415

    found = whereabouts(path)
    for unread in found.notes:
        note(unread)
    return found


def installed_drivers() -> Registry:
    """Find the drivers: ours, those of packages, and those in the user's folder.

    One that cannot be used is in the registry, and said by who asked.
    """
    logging.disable()
    try:
        return discover(Path(os.environ.get("UGW_DRIVERS") or DRIVERS))
    finally:
        logging.disable(logging.NOTSET)


def quarantined(registry: Registry) -> Iterator[str]:
    """Say which drivers are not used, and why; and whose place the user's have taken."""
    for broken in registry.quarantined:
        place = f"{broken.file}:{broken.line}: {broken.reason}"
        yield printable(f"driver {broken.name} is not used: {place}")
    yield from map(printable, registry.replaced)


def notes(settings: Settings, registry: Registry) -> Iterator[str]:
    """Say what works, but perhaps not as it was meant."""
    yield from quarantined(registry)
    yield from settings.notes()
    yield from _for_nothing(settings, registry)


def _for_nothing(settings: Settings, registry: Registry) -> Iterator[str]:
    for device in settings.devices:
        name = device.driver
        if name in registry.pollers() and not registry.by_model(name).matches:
            why = f"nothing it advertises is for {name}, which connects: write that into poll"
            yield f"devices: {device.address}: {why}"
