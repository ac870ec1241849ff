"""How the platform's broker is reached.

Nothing leaves the machine in clear unless somebody wrote down that it may.
"""

import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from gateway.config.files import read_regular
from gateway.config.quantities import Duration, duration_ns
from gateway.config.secrets import Secret
from gateway.config.section import (
    AbsolutePath,
    Fault,
    Pattern,
    Section,
    Whole,
    Written,
    fault,
    refuse,
)

_PORT_TLS, _PORT_CLEAR = 8883, 1883
_MAX_PEM_BYTES = 1_000_000  # all authorities a machine trusts are about a quarter of it
_LEVEL = r"(?:[^{}+#/\x00-\x1f\x7f-\x9f]|\{org\}|\{id\})+"
_CLEARTEXT = (
    "without TLS anybody on the way can read and change what is sent: "
    "configure mqtt.tls, or write mqtt.allow_cleartext: true to accept it"
)
_TEMPLATE = "{org} and {id} stand for the gateway's"


def usual_port(data: Written) -> int:
    """Return the port brokers have, with TLS or without."""
    return _PORT_TLS if data.get("tls") else _PORT_CLEAR


def _or_false(value: object, handler: ValidatorFunctionWrapHandler) -> bool:
    try:
        return bool(handler(value))
    except ValidationError:
        return False


_TRUTH = TypeAdapter(Annotated[bool, WrapValidator(_or_false)])  # "yes" is true, as in any key


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _host(host: str) -> str:
    if "://" in host:
        why = "only the name or address of the broker, without scheme://"
    elif not host or any(char.isspace() or not char.isprintable() for char in host):
        why = "a host name or an IP address is needed"
    elif ":" in host and not _is_ipv6(host):
        why = "only the name or address of the broker; its port is a key beside it, port"
    elif "/" in host or "@" in host:
        why = "a host name or an IP address is needed"
    else:
        return host
    raise fault(why)


Host = Annotated[str, AfterValidator(_host), Field(max_length=253)]


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _version(value: Any) -> Any:  # noqa: ANN401 - whatever stands in the document
    """`version: 5` is a number in YAML, and everybody means the text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Version = Annotated[Literal["5", "3.1.1"], BeforeValidator(_version)]


def is_in_clear(written: Written) -> bool:
    """Whether a broker on another machine is to be spoken to without TLS, and nobody agreed."""
    host = written.get("host")
    remote = isinstance(host, str) and not is_loopback(host)
    accepted = _TRUTH.validate_python(written.get("allow_cleartext", False))
    return remote and written.get("tls") is None and not accepted


def _readable(path: Path) -> Path:
    return _read(path, private=False)


def _private(path: Path) -> Path:
    return _read(path, private=True)


def _read(path: Path, *, private: bool) -> Path:
    # A file is refused where it is named, not when it is needed.
    try:
        read_regular(path, _MAX_PEM_BYTES, private=private)
    except ValueError as error:
        raise fault(str(error)) from None
    return path


class TlsSettings(Section):
    """TLS to the broker. Host name and certificate chain are always checked."""

    ca: Annotated[AbsolutePath, AfterValidator(_readable)] | None = None
    """PEM file of the authorities that may vouch for the broker; by default the machine's own."""
    cert: Annotated[AbsolutePath, AfterValidator(_readable)] | None = None
    """PEM file of the gateway's own certificate, where the broker asks for one; needs `key`."""
    key: Annotated[AbsolutePath, AfterValidator(_private)] | None = None
    """PEM file of its private key, readable by the agent only."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse half a pair."""
        for given, needed in (("cert", "key"), ("key", "cert")):
            if written.get(given) is not None and written.get(needed) is None:
                yield (needed,), f"{given} needs {needed} beside it"

    @model_validator(mode="after")
    def _check_content(self) -> Self:
        refuse(self._unusable())
        return self

    def _unusable(self) -> Iterator[Fault]:
        """Load the files as the connection will, so that a wrong one is noticed here."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.ca is not None:
                context.load_verify_locations(self.ca)
        except ssl.SSLError:
            yield ("ca",), f"{self.ca} is not a PEM file of certificates"
        try:
            if self.cert is not None:
                # An encrypted key would be asked for on the terminal.
                context.load_cert_chain(self.cert, self.key, password=lambda: "")
        except (ssl.SSLError, ValueError):
            yield ("cert",), "cert and key are not a PEM certificate and its unencrypted key"


class MqttSettings(Section):
    """The broker."""

    host: Host
    """Name or address of the broker."""
    tls: TlsSettings | None = None
    """TLS; without it only a broker on this machine is accepted."""
    port: Whole = Field(default_factory=usual_port, ge=1, le=65535)
    """TCP port; by default 8883 with tls, 1883 without."""
    username: Secret | None = None
    """User name, by reference."""
    password: Secret | None = None
    """Password, by reference."""
    allow_cleartext: bool = False
    """Accept a remote broker without TLS: anybody on the way can read and change what is sent."""
    version: Version = "5"
    """MQTT version; 3.1.1 only where the broker has no 5, for it hides refused messages."""
    client_id: Annotated[
        str,
        Pattern(_LEVEL, f"1 to 128 characters without +, #, /; {_TEMPLATE}"),
        Field(max_length=128),
    ] = "{id}"
    """MQTT client id."""
    keepalive_ns: Annotated[int, Duration("5s", "18h")] = Field(
        default=duration_ns("30s"), alias="keepalive"
    )
    """The longest silence towards the broker."""
    topic_root: Annotated[
        str,
        Pattern(rf"(?!\$){_LEVEL}(?:/{_LEVEL})*", f"topic levels without + and #; {_TEMPLATE}"),
        Field(max_length=200),
    ] = "ugw/v1/{org}/{id}"
    """What all topics begin with."""
    require_subscriber: bool = False
    """Keep what the broker has nobody for, instead of taking its word that it was delivered."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse what would be unsafe, or is no MQTT."""
        if is_in_clear(written):
            yield ("host",), _CLEARTEXT
        alone = written.get("password") is not None and written.get("username") is None
        if alone and written.get("version") == "3.1.1":
            yield ("username",), "MQTT 3.1.1 knows no password without a username"
