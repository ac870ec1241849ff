"""LoRaWAN over the network: whether the port is free, whether the server's broker lets us read.

It subscribes as the agent will, with its name; while an agent runs it does neither.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from gateway import lorawan_sources
from gateway.cli.preflight.verdict import Verdict
from gateway.config import ForwarderSettings, NetworkServerSettings, Settings
from gateway.config.listening import host_and_port
from gateway.errors import UplinkError
from gateway.subscription import Subscription

_CONNECT_S: Final = 8.0
_AGENT: Final = "not tried, for an agent is running and has it: ugw status"


async def look_at_port(given: ForwarderSettings, *, agent_runs: bool) -> AsyncGenerator[Verdict]:
    """Say whether it can be listened on."""
    if agent_runs:
        yield Verdict.skipped(given.name, _AGENT)
        return
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=host_and_port(given.listen)
        )
    except (OSError, UnicodeError) as error:
        cause = f"cannot listen on {given.listen}: {getattr(error, 'strerror', None) or error}"
        yield Verdict.warning(given.name, cause, "what has it? ss -lunp")
    else:
        transport.abort()
        who = ", ".join(given.allow) or "this machine"
        yield Verdict.ok(given.name, f"the port is free; packets are taken from {who}")


async def look_at_server(
    given: NetworkServerSettings, settings: Settings, *, agent_runs: bool
) -> AsyncGenerator[Verdict]:
    """Say whether uplinks can be subscribed to."""
    if agent_runs:
        yield Verdict.skipped(given.name, _AGENT)
        return
    wanted = lorawan_sources.listening(given, settings)
    broker = msgspec.structs.replace(wanted.broker, connect_timeout_s=_CONNECT_S)
    try:
        async with Subscription(broker, wanted.topics, _forget, qos=wanted.qos):
            yield Verdict.ok(given.name, f"subscribed to {', '.join(wanted.topics)}")
    except UplinkError as error:
        yield Verdict.warning(given.name, str(error), error.remedy.replace("mqtt.", ""))


def _forget(_payload: bytes) -> None:
    """Nothing is heard here."""
