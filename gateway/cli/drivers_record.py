"""`ugw drivers record`: what one listed device sends, as examples of its driver."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from gateway import assembly
from gateway.cli.configuration import DEFAULT, ConfigOption, load_settings, quarantined
from gateway.cli.radio import limit_s
from gateway.cli.radios import complain, stop_signals
from gateway.cli.recorder import Document, Recorded, Recorder, merged, recorded, text_of
from gateway.cli.terminal import note, show, table
from gateway.clock import SystemClock
from gateway.config import DeviceSettings, Settings
from gateway.config.findings import quoted
from gateway.conformance.examples import Example, documents
from gateway.driver import LoadedDriver
from gateway.errors import DriverError, UgwError
from gateway.exit_codes import ExitCode
from gateway.health import Health
from gateway.registry import Registry

_LOOK_S: Final = 0.2  # between two looks whether enough was heard
_Run = Callable[[], Coroutine[Any, Any, None]]
_SOURCE: Final = "recorded with ugw drivers record; say of which device, and its firmware"


def record(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="Its address, id or name: a listed one.")
    ],
    config: ConfigOption = DEFAULT,
    *,
    limit: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long, e.g. 60s.")
    ] = "60s",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where; else beside your driver."),
    ] = None,
) -> None:
    """Record what a listed device sends, as examples of its driver.

    It listens with the radios of the configuration. Nothing of any other device is looked at.
    What is new is added to the examples beside your driver; of a driver of ours to MODEL.json in
    this folder. The readings are what the driver makes of it: check them against what the device
    shows, and give each example a name. Encrypted frames are left out.

    [bold]Examples[/bold]

      ugw drivers record C0:FF:EE:00:00:01
      ugw drivers record lora:17 --for 10min
    """
    settings, registry = load_settings(config)
    for broken in quarantined(registry):
        note(broken)
    listed = _listed(settings, device, config)
    note(f"listening for {limit_s(limit, live=False):g} s to {listed.address} alone")
    recorder = _heard(settings, registry, listed, limit)
    named, as_hex = _named(listed, registry), listed.payload == "hex"
    result = recorded(recorder.frames, registry, named, as_hex=as_hex)
    _tell(result, recorder)
    if result.driver is None or not result.samples:
        raise typer.Exit(ExitCode.FAILED)
    file = output or _file_of(result.driver)
    added = _write(file, result.driver, result)
    print(f"\n{added} added to {file}: check them, and name what is special about each")


def _named(listed: DeviceSettings, registry: Registry) -> LoadedDriver | None:
    """Return the driver that a device names, to be polled by or else."""
    name = listed.driver if listed.poll is None else listed.poll.driver
    return registry.by_model(name) if name is not None else None


def _listed(settings: Settings, wanted: str, config: Path) -> DeviceSettings:
    """Return a listed device. Raises UgwError: what is not listed is nobody's business."""
    for device in settings.devices:
        names = (device.address.lower(), device.id, device.name)
        if wanted in names or wanted.lower() == names[0]:
            return device
    cause = f"{quoted(wanted)} is not listed in {config}, and only listed devices are recorded"
    raise UgwError(cause, "list it under devices; ugw radio scan --yaml shows how")


def _heard(settings: Settings, registry: Registry, listed: DeviceSettings, limit: str) -> Recorder:
    """Listen to one device. Raises TransportError when no radio can be used."""
    logging.disable()  # what transports say of themselves is told when nothing was heard
    clock = SystemClock()
    recorder, health = Recorder(listed.address, clock), Health(clock)
    alone = settings.model_copy(update={"devices": [listed]})
    sources = list(assembly.sources(alone, registry, recorder, health))
    asyncio.run(_listen([source.make().run for source in sources], recorder, limit))
    if not recorder.heard:
        complain(health)
    return recorder


async def _listen(runs: Sequence[_Run], recorder: Recorder, limit: str) -> None:
    """Run the transports until the time is over, enough was heard, SIGINT or SIGTERM."""
    stop = stop_signals(limit_s(limit, live=False))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(), name=f"radio {at}") for at, run in enumerate(runs)]
        while not (stop.is_set() or recorder.is_full):
            try:
                async with asyncio.timeout(_LOOK_S):
                    await stop.wait()
            except TimeoutError:
                pass  # look whether it is enough
        for task in tasks:
            task.cancel()


# ---------------------------------------------------------------------------------- what was heard
def _tell(result: Recorded, recorder: Recorder) -> None:
    rows: list[tuple[str, str, str]] = []
    for sample in result.samples:
        said = "; ".join(_said(sample)) if isinstance(sample, Example) else ""
        refused = "" if isinstance(sample, Example) else f"refused: {sample.reason}"
        rows.append((sample.name, sample.payload, said or refused or "nothing for us"))
    if rows:
        show(table(("example", "payload", "what the driver says"), rows))
    if not recorder.heard:
        note("nothing was heard of it: is it in range, and does it send?")
    if result.unknown:
        note(f"{result.unknown} frames are of a format that its driver does not read")
    if result.encrypted:
        note(f"{result.encrypted} encrypted frames are left out: an example would hold the key")


def _said(example: Example) -> list[str]:
    return [f"{' '.join([name, *channel])} {value}" for name, value, *channel in example.readings]


def _file_of(driver: LoadedDriver) -> Path:
    """Return where examples go: beside a driver of the user's, else into this folder."""
    if driver.foreign:
        return Path(driver.file).with_suffix(".json")
    return Path(f"{driver.model}.json")


def _write(file: Path, driver: LoadedDriver, result: Recorded) -> int:
    """Add what is new to a file; how many that were. Raises DriverError."""
    try:
        known = _known(file)
        mine = [one for one in known if one.get("model") == driver.model]
        document = mine[0] if mine else _new(driver)
        more, added = merged(document, result.samples)
        others = [one for one in known if one is not document]
        temporary = file.with_name(file.name + ".new")
        temporary.write_text(text_of([more, *others]), "utf-8")
        temporary.replace(file)
    except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
        cause = f"{file} cannot be added to: {error}"
        raise DriverError(cause, "name another file with --output") from None
    return added


def _known(file: Path) -> list[Document]:
    if not file.exists():
        return []
    return documents(file.read_bytes())


def _new(driver: LoadedDriver) -> Document:
    return {"model": driver.model, "source": _SOURCE, "examples": [], "refused": []}
