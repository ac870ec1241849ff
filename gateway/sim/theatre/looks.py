"""A gateway at a glance, for who watches a play."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.sim.agent_config import device_name
from gateway.sim.expectations import Judge
from gateway.sim.expectations.delivery import latency_s
from gateway.sim.ledger import Sent
from gateway.sim.theatre.outcome import Look, SensorLook

_NEWEST: Final = 1000  # frames of which the latency is shown


def look_at(judge: Judge) -> Look:
    """Return what there is to see of one gateway now, from outside."""
    air, status = judge.bench.air, judge.last
    missing = air.ledger.missing()
    return Look(
        at_s=judge.shown_s(judge.bench.at_s),
        gateway=judge.bench.options.gateway,
        running=judge.bench.gateway.running,
        sent=air.ledger.sent_count,
        delivered=air.ledger.arrived_count,
        missing=len(missing),
        backlog=judge.counter("inBacklog"),
        state="" if status is None else status["state"],
        store_state="" if status is None else status.get("storeState", ""),
        laws_hold=not judge.breaches["law"],
        latency_p50_s=latency_s(judge, 0.5, newest=_NEWEST),
        latency_p99_s=latency_s(judge, 0.99, newest=_NEWEST),
        sensors=list(_sensors(judge, missing)),
    )


def _sensors(judge: Judge, missing: Sequence[Sent]) -> Iterator[SensorLook]:
    late = Counter(sent.device for sent in missing)
    for sensor in judge.bench.air.sensors:
        device = device_name(sensor.options, judge.bench.air.agent)
        arrived = judge.arrived_by_device[device]
        name = sensor.options.name or sensor.options.address
        yield SensorLook(name, arrived + late[device], arrived)
