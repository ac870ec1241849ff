"""`ugw status`: how the agent that runs here is doing."""

import typer

from gateway.cli import local_agent, status_page
from gateway.cli.configuration import DEFAULT, ConfigOption, JsonOption, agent_of
from gateway.cli.local_agent import Status
from gateway.cli.terminal import print_json, show
from gateway.exit_codes import ExitCode


def status(config: ConfigOption = DEFAULT, *, as_json: JsonOption = False) -> None:
    """Show how the agent that runs here is doing: broker, store, radios, what waits.

    The agent is asked over HTTP, where http.listen of the configuration says,
    whatever else is wrong with that file. Ends with 0, and
    with 1 if no agent is running or it is in trouble: it hears nothing, its store takes
    nothing or has no room, its configuration was not reloaded, or it has a fault. The page at
    http.listen says the same.

    [bold]Examples[/bold]

      ugw status
      ugw status --json | jq '.status.backlog'
      watch ugw status
    """
    known, raw = local_agent.ask(agent_of(config), "/status", Status)
    if as_json:
        print_json(raw)
    else:
        show(status_page.page(known))
    raise typer.Exit(ExitCode.FAILED if known.light == "red" else ExitCode.OK)
