"""A black hole made by the kernel: no reset, no end, no error, only silence."""

import shutil
import subprocess
import sys

import pytest

from tests.brokers import HANG_S

ALONE = ("unshare", "--map-root-user", "--net")


def test_a_connection_whose_network_has_gone_is_given_up_and_nothing_on_it_is_settled() -> None:
    if not shutil.which("ip") or subprocess.run([*ALONE, "true"], check=False).returncode:
        pytest.skip("a network of its own needs iproute2 and the right to user namespaces")
    command = [*ALONE, sys.executable, "-m", "tests.mqtt.severed"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert ended.stderr == ""
    assert ended.stdout == "0 None the connection ended: Keep alive timeout"
