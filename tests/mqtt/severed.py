"""A real connection whose network is taken away below it: run in a network namespace of its own.

Prints what became of the message that was on its way, and why the connection ended.
"""

import asyncio
import subprocess
import sys

from gateway.model import Outcome
from gateway.mqtt import Connection, MqttSettings, Will
from gateway.sim.broker import ScriptedBroker


def loopback(state: str) -> None:
    """Raise the one interface there is, or take it down: routes and all."""
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


async def outcome_of(connection: Connection) -> Outcome:
    """Publish, and wait for the end of it."""
    end: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    connection.publish("a", b"x", done=end.set_result)
    return await end


async def main() -> None:
    """Sever a connection, and say what came of it."""
    loopback("up")
    async with ScriptedBroker() as broker:
        settings = MqttSettings(host="127.0.0.1", port=broker.port, client_id="gw", keepalive_s=1)
        async with Connection(settings, Will("gw/status", b"")) as connection:
            first = await outcome_of(connection)
            loopback("down")
            lost = await outcome_of(connection)
            sys.stdout.write(f"{first.reason_code} {lost.reason_code} {lost.cause}")
        loopback("up")


if __name__ == "__main__":
    asyncio.run(main())
