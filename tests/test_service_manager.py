"""sd_notify(3), heard by a real socket."""

import logging
import os
import time

import pytest

from gateway.service_manager import ServiceManager
from tests.managers import Manager, abstract_address, manager_on_a_path


def test_assignments_arrive_as_one_datagram_of_lines() -> None:
    with manager_on_a_path() as manager:
        ServiceManager({"NOTIFY_SOCKET": manager.address}).notify("READY=1", "STATUS=all well")
        assert manager.heard == ["READY=1\nSTATUS=all well"]


def test_a_manager_in_the_abstract_namespace_is_told_too() -> None:
    with Manager(abstract_address()) as manager:
        ServiceManager({"NOTIFY_SOCKET": manager.address}).notify("READY=1")
        assert manager.heard == ["READY=1"]


def test_a_cause_of_several_lines_cannot_smuggle_an_assignment_in() -> None:
    with manager_on_a_path() as manager:
        ServiceManager({"NOTIFY_SOCKET": manager.address}).notify("STATUS=bad\nWATCHDOG=1")
        assert manager.heard == ["STATUS=bad WATCHDOG=1"]


def test_reloading_says_since_when() -> None:
    with manager_on_a_path() as manager:
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        ServiceManager({"NOTIFY_SOCKET": manager.address}).reloading()
        first, second = manager.heard[0].splitlines()
    assert first == "RELOADING=1"
    name, usec = second.split("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(usec) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    ServiceManager(environ).notify("READY=1")


def test_a_manager_that_is_gone_is_missed_once_and_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with manager_on_a_path() as manager:
        ours = ServiceManager({"NOTIFY_SOCKET": manager.address})
    with caplog.at_level(logging.WARNING):
        ours.notify("READY=1")
        ours.notify("WATCHDOG=1")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_is_meant_for_this_process(
    environ: dict[str, str], watchdog_s: float | None
) -> None:
    assert ServiceManager(environ).watchdog_s == watchdog_s
