"""What a stranger's test suite looks like, and how their pytest runs it with the plugin."""

import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Final

import pytest

from gateway.sim import pytest_plugin

if TYPE_CHECKING:
    from types import ModuleType

_INSTALLED: Final = any(
    found.value == pytest_plugin.__name__ for found in entry_points(group="pytest11")
)
ARGUMENTS: Final = (
    *(() if _INSTALLED else ("-p", pytest_plugin.__name__)),
    *("-p", "no:cacheprovider", "-W", "error", "--strict-markers"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # in this process it is imported already
)
_HEAD: Final = """
import asyncio
import os
import pytest
import my_client, my_driver
from bleak import BleakScanner
from gateway.sim.broker import Answer
"""
_CLIENT: Final = """
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

class RefusedError(Exception):
    pass

def publish(host, port, topic, payload):
    refused = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_publish = lambda c, u, mid, reason, properties: refused.append(reason.is_failure)
    client.connect(host, port)
    client.loop_start()
    client.publish(topic, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()
    if refused == [True]:
        raise RefusedError
"""
_DRIVER: Final = """
import contextlib, serial

class Modem:
    def __init__(self, port):
        self._port = port

    def tell(self, command):
        self._port.write(command.encode() + b"\\r\\n")

    def ask(self, command):
        self.tell(command)
        return self.line()

    def line(self):
        return self._port.readline().decode().strip()

@contextlib.contextmanager
def opened(path):
    with serial.Serial(str(path), 115200, timeout=10) as port:
        yield Modem(port)
"""


class Imported:
    """Remembers what was imported in a pytester's run, which has this process forget it.

    A second copy of a library beside the first, which others still hold, would be slow and wrong.
    """

    def __init__(self) -> None:
        self._modules: dict[str, ModuleType] = {}

    def pytest_unconfigure(self) -> None:
        """Look, at the end of a run."""
        self._modules.update(sys.modules)

    def restore(self, without: Path) -> None:
        """Put back all but what stands in this folder."""
        for name, module in self._modules.items():
            if str(without) not in str(getattr(module, "__file__", "")):
                sys.modules.setdefault(name, module)


class Suite:
    """A stranger's suite of one file, run in this process with warnings as errors."""

    def __init__(self, pytester: pytest.Pytester, imported: Imported) -> None:
        self._pytester = pytester
        self._imported = imported
        pytester.makepyfile(my_client=_CLIENT, my_driver=_DRIVER)

    def __call__(self, text: str, *arguments: str) -> pytest.RunResult:
        """Write the file and run it."""
        self._pytester.makepyfile(test_theirs=_HEAD + dedent(text))
        run = self._pytester.runpytest_inprocess
        return run(*ARGUMENTS, *arguments, plugins=[self._imported])
