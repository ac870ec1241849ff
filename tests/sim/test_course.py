"""Who sends next goes on where it was, with those who are there."""

from gateway.sim.course import Course
from gateway.sim.emissions import Emission


class Clockwork:
    """Sends at 1 s, 3 s, 5 s, ..."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent = 0

    def first_s(self) -> float:
        return 1.0

    def gap_s(self) -> float:
        return 2.0

    def emit(self) -> Emission:
        self.sent += 1
        return Emission(address=self.name, serial=self.sent, copies=())


def played(course: Course, end_s: float) -> list[tuple[float, str, int | None]]:
    return [(at_s, each.address, each.serial) for at_s, each in course.until(end_s)]


def test_two_short_runs_are_one_long_run() -> None:
    short, long, crowd = Course(), Course(), [Clockwork("a")]
    short.join(crowd)
    first = played(short, 4)
    short.join(crowd)
    long.join([Clockwork("a")])
    assert first + played(short, 10) == played(long, 10)
    assert short.at_s == 10


def test_who_joins_later_begins_then_and_who_left_is_silent() -> None:
    course, early, late = Course(), Clockwork("early"), Clockwork("late")
    course.join([early])
    assert played(course, 4) == [(1, "early", 1), (3, "early", 2)]
    course.join([late])
    assert played(course, 8) == [(5, "late", 1), (7, "late", 2)]
    course.join([late, early])
    assert played(course, 10) == [(9, "late", 3), (9, "early", 3)]


def test_what_an_interrupted_run_did_not_send_comes_in_the_next() -> None:
    course, only = Course(), Clockwork("only")
    course.join([only])
    for at_s, _ in course.until(100):
        if at_s > 4:
            break  # cancelled while it waits for this one
    assert course.at_s == 3
    assert [at_s for at_s, _, _ in played(course, 8)] == [5, 7]


def test_an_endless_run_of_nobody_ends_and_leaves_the_time_as_it_is() -> None:
    course = Course()
    assert not played(course, float("inf"))
    assert course.at_s == 0
