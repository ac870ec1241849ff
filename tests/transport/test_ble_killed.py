"""The agent is killed while its adapter is without power: the next run switches it on."""

from pathlib import Path

from gateway.sim.agent_config import AgentOptions
from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.world import World
from tests.brokers import strict_run
from tests.scenarios.agents import AgentProcess
from tests.transport.places import BTHOME, SENSOR, until

NO_BROKER = 9  # the port of `discard`: nobody listens there
HANG_S = 40.0  # whole processes are waited for, on a machine that may be busy
OFF = "adapter hci0 is powered off"


class Machine:
    """A machine with an adapter, on which the agent is started, killed and started again."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self._directory = directory
        self._agents: list[AgentProcess] = []

    def start(self) -> AgentProcess:
        """Start the agent."""
        options = AgentOptions(scan="active", mqtt_port=NO_BROKER)
        config = self.world.agent_config(self._directory, options)
        log = self._directory / f"{len(self._agents)}.log"
        command = ("-m", "tests.transport.impatient")
        agent = AgentProcess(config, log, self.world.environment(), command=command)
        self._agents.append(agent)
        return agent

    def end(self) -> None:
        """Leave no process behind."""
        for agent in self._agents:
            agent.kill()

    @property
    def switched(self) -> int:
        """How often the adapter's power was switched by the agent."""
        return sum(call.member == "Set" for call in self.world.bluez.calls)

    async def hears(self) -> None:
        """Advertise until somebody is told."""
        report = Advertisement(address=SENSOR, services={uuid_text(BTHOME): b"\x40\x00\x01"})
        await until(lambda: self.world.advertise(report), self._said, HANG_S)

    async def leaves_it_off(self) -> None:
        """Have the newest agent say that there is no power, and listen once a person mends it."""
        await until(lambda: OFF in self._said(), self._said, HANG_S)
        self.world.bluez.power(on=True)
        await self.hears()

    def _said(self) -> str:
        return self._agents[-1].log

    async def is_killed_without_power(self) -> None:
        """Have the agent do what it does against a wedge, and kill it between off and on."""
        agent = self.start()
        await self.hears()
        self.world.bluez.wedge("power")
        await until(lambda: self.switched, self._said, HANG_S)
        agent.kill()
        assert self.switched == 1


async def scene(machine: Machine) -> None:
    """Have an agent killed without power, the next one mend that, and a person switch it off."""
    await machine.is_killed_without_power()
    agent = machine.start()
    await machine.hears()
    assert machine.switched == 2  # off, on
    agent.terminate()
    await until(lambda: agent.code == 0, limit_s=HANG_S)
    machine.world.bluez.power(on=False)
    machine.start()
    await machine.leaves_it_off()
    assert machine.switched == 2


def test_the_next_run_switches_on_what_a_killed_one_has_left_off_and_what_a_person_has_never(
    tmp_path: Path,
) -> None:
    async def played() -> None:
        async with World() as world:
            machine = Machine(world, tmp_path)
            try:
                await scene(machine)
            finally:
                machine.end()

    strict_run(played(), 3 * HANG_S)
