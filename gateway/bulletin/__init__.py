"""What is said beside observations: events, last values, announcements.

None of it is in the laws, and none of it is in the backlog. Newest wins, but for what must be
heard: loss ranges, which their owner keeps until the broker has them, and a bounded queue of
notices.
"""

from gateway.bulletin.announcements import Announcements
from gateway.bulletin.bulletin import Bulletin
from gateway.bulletin.courier import Surroundings, Voice
from gateway.bulletin.memory import Memory
from gateway.bulletin.notices import Notices
from gateway.bulletin.states import States
from gateway.bulletin.vigil import Vigil

__all__ = [
    "Announcements",
    "Bulletin",
    "Memory",
    "Notices",
    "States",
    "Surroundings",
    "Vigil",
    "Voice",
]
