"""Which messages there are: their names without a version, what they are, their shape."""

from typing import Final, NamedTuple

from tools.schema import announcements, capture, event, observations, site_report, state, status
from tools.schema.forms import Kind


class Message(NamedTuple):
    """One message; its name is that of its files."""

    name: str
    title: str
    kind: Kind


MESSAGES: Final = (
    Message("observations", "A bundle of observations", observations.bundle),
    Message("status", "The status of a gateway", status.STATUS),
    Message("event", "What city IT must hear about", event.event),
    Message("gateway", "The announcement of a gateway", announcements.GATEWAY_ANNOUNCED),
    Message("device", "The announcement of a device", announcements.DEVICE_ANNOUNCED),
    Message("state", "The last values of a device", state.state),
)

# Files, not messages: no topic has them.
REPORTS: Final = (
    Message("site-report", "The report of a site", site_report.SITE_REPORT),
    Message("capture", "A line of a capture", capture.line),
)
