"""The published schemas, and a message judged by one of them alone: the simulator's."""

from gateway.sim.expectations.published import OPEN, SCHEMAS, STRICT, Json, schema, schema_faults

__all__ = ["OPEN", "SCHEMAS", "STRICT", "Json", "schema", "schema_faults"]
