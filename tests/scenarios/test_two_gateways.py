"""Two gateways with one client id: the broker throws out one for the other, again and again."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from gateway.sim.broker import Offer
from gateway.sim.proxy import Line
from tests.scenarios.stage import GATEWAY, Setting, Stage

Play = Callable[..., None]

FAR: Final = Line(latency_s=0.1)  # so that something is always on its way when one is thrown out
# Thrown out again and again, each waits for longer, up to a minute and with full jitter.
BACK_GUARD_S: Final = 150.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("offer", "told"),
    [
        pytest.param(None, "is mqtt.client_id used twice?", id="without a word (mosquitto 2.0)"),
        pytest.param(Offer(), "another client uses the same mqtt.client_id", id="0x8E"),
    ],
)
def test_two_gateways_with_one_client_id_keep_everything_and_recover_when_one_has_its_own(
    play: Play, tmp_path: Path, offer: Offer | None, told: str
) -> None:
    setting = Setting(offer=offer, line=FAR)

    async def scenario(stage: Stage) -> None:
        two = setting._replace(gateway="gw-two")
        async with Stage(tmp_path / "two", two, beside=stage) as other:
            await stage.start_agent()
            other.environment = {"UGW__MQTT__CLIENT_ID": GATEWAY}
            async with stage.sending():
                await stage.arrived(20)
                await other.start_agent()
                async with other.sending():
                    await stage.until(lambda: told in stage.agent.log and told in other.agent.log)
                    await stage.sent(60)
                    await other.sent(60)
                other.agent.terminate()
                await other.until(lambda: other.agent.code == 0)
                await stage.all_arrived(guard_s=BACK_GUARD_S)
                await stage.arrived(20)

                other.environment = {}
                with other.unheard():
                    await other.start_agent()
                async with other.sending():
                    await other.all_arrived()
                    await other.arrived(20)
            await stage.all_arrived()
            await other.all_arrived()
            await stage.end_agent()
            await other.end_agent()
            other.judge()

    play(scenario, setting)
