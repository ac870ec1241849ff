"""Addresses that something of ours listens on."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

from gateway.config.mqtt import is_loopback
from gateway.config.section import fault

_LISTEN: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_HIGHEST_PORT: Final = 65535


def _listen(text: str) -> str:
    match = _LISTEN.fullmatch(text)
    if match is None or not 0 < int(match[1]) <= _HIGHEST_PORT:
        message = "an address and a port are needed: 127.0.0.1:8080"
        raise fault(message)
    return text


Listen = Annotated[str, AfterValidator(_listen)]


def is_remote(listen: object) -> bool:
    """Whether what is written lets others than this machine reach us."""
    if not isinstance(listen, str) or _LISTEN.fullmatch(listen) is None:
        return False
    return not is_loopback(host_and_port(listen)[0])


def host_and_port(listen: str) -> tuple[str, int]:
    """Return the parts of a valid address."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
