"""`ugw run`: the agent, until it is told to end."""

import logging
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import typer

from gateway.cli import logs
from gateway.cli.configuration import DEFAULT, ConfigOption, load_settings, load_with, notes
from gateway.errors import UgwError, UncleanEndError
from gateway.exit_codes import ExitCode

log = logging.getLogger(__name__)


def run(config: ConfigOption = DEFAULT) -> None:
    """Run the agent until SIGTERM or Ctrl-C.

    Both end it in order: what was heard is delivered or kept. Messages go to standard error,
    one line each.

    [bold]Examples[/bold]

      ugw run
      ugw run --config ./gateway.yaml
      UGW__LOG__LEVEL=debug ugw run
    """
    with _hangups_held():
        _run(config)


@contextmanager
def _hangups_held() -> Generator[None]:
    """Let SIGHUP wait until the agent can read anew: before, it would end the process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(config: Path) -> None:
    settings, registry = load_settings(config)
    logs.configure(settings.log.level)
    for remark in notes(settings, registry):
        log.warning(remark)
    # The agent brings everything with it, and `ugw --help` should not wait for that.
    from gateway.service import Launch  # noqa: PLC0415
    from gateway.service import run as run_agent  # noqa: PLC0415

    launch = Launch(
        settings=settings,
        registry=registry,
        path=config,
        load=lambda: load_with(registry, config),
        set_log_level=logs.configure,
    )
    try:
        run_agent(launch)
    except UncleanEndError as error:
        log.error("ended, not clean: %s", error)  # noqa: TRY400 - expected trouble
        raise typer.Exit(ExitCode.FAILED) from None
    except UgwError as error:
        log.error("cannot start: %s", "; ".join(filter(None, (str(error), error.remedy))))  # noqa: TRY400 - expected trouble
        raise typer.Exit(ExitCode.CANNOT_START) from None
