"""Where each message goes: the topics of the uniform schema, version 1."""

from typing import Self

import msgspec

from gateway.model import Lane


class Topics(msgspec.Struct, frozen=True):
    """The topics below one root, which has no wildcards and no slash at its end."""

    root: str

    @classmethod
    def of(cls, org: str, gateway: str) -> Self:
        """Return the topics of a gateway under the default root; both names are slugs."""
        return cls(f"ugw/v1/{org}/{gateway}")

    def observations(self, lane: Lane) -> str:
        """Return the topic of bundles that travel on this lane."""
        return f"{self.root}/obs/{lane.value}"

    @property
    def status(self) -> str:
        """The topic of birth, heartbeat and will."""
        return f"{self.root}/status"

    @property
    def event(self) -> str:
        """The topic of what city IT must hear about."""
        return f"{self.root}/event"

    @property
    def meta(self) -> str:
        """The topic of the gateway's announcement."""
        return f"{self.root}/meta"

    def device_meta(self, level: str) -> str:
        """Return the topic of a device's announcement; `level` as identity.topic_level has it."""
        return f"{self.root}/meta/{level}"

    def state(self, level: str) -> str:
        """Return the topic of a device's last values."""
        return f"{self.root}/state/{level}"
