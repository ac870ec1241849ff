"""The store without an agent: what is in it, and what people may do about it (`ugw backlog`)."""

from gateway.backlog.sqlite.inspection import (
    Exported,
    Inspection,
    Purged,
    SetAside,
    Stats,
    opened,
)

__all__ = ["Exported", "Inspection", "Purged", "SetAside", "Stats", "opened"]
