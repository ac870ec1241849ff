"""Settings -> where LoRaWAN uplinks come from, and the keys of the nodes we open ourselves."""

from functools import partial

import msgspec

from gateway import credentials
from gateway.config import DeviceSettings, ForwarderSettings, NetworkServerSettings, Settings
from gateway.config.listening import host_and_port
from gateway.crypto import AesKey
from gateway.health import Health
from gateway.hearing import Plan, Source
from gateway.lorawan import Session
from gateway.model import Intake
from gateway.mqtt import MqttSettings
from gateway.transport import network_server, semtech


class ForwarderPlan(msgspec.Struct, frozen=True):
    """How to hear LoRaWAN gateways."""

    settings: semtech.ForwarderSettings

    def serves(self, wanted: Plan) -> bool:
        """Whether just this is wanted."""
        return self == wanted


class NetworkServerPlan(msgspec.Struct, frozen=True):
    """How to hear a network server."""

    settings: network_server.NetworkServerSettings

    def serves(self, wanted: Plan) -> bool:
        """Whether just this is wanted."""
        return self == wanted


def session(device: DeviceSettings) -> Session | None:
    """Return what opens a node's uplinks; None where a network server does."""
    given = device.lorawan
    if given is None:
        return None
    return Session(
        int(given.dev_addr, 16),
        AesKey(given.nwk_s_key.key_bytes),
        AesKey(given.app_s_key.key_bytes),
    )


def forwarders(given: ForwarderSettings, intake: Intake, health: Health) -> Source:
    """Return the source that gateways send to."""
    host, port = host_and_port(given.listen)
    settings = semtech.ForwarderSettings(
        name=given.name,
        host=host,
        port=port,
        networks=given.networks,
        gateways=given.gateways,
    )
    make = partial(semtech.ForwarderTransport, settings, intake, health)
    return Source(given.name, ForwarderPlan(settings), make)


def server(
    given: NetworkServerSettings, settings: Settings, intake: Intake, health: Health
) -> Source:
    """Return the source that reads a network server's uplinks."""
    wanted = listening(given, settings)
    make = partial(network_server.NetworkServerTransport, wanted, intake, health)
    return Source(given.name, NetworkServerPlan(wanted), make)


def listening(
    given: NetworkServerSettings, settings: Settings
) -> network_server.NetworkServerSettings:
    """Return how to read a network server's uplinks."""
    return network_server.NetworkServerSettings(
        name=given.name,
        kind=given.kind,
        broker=MqttSettings(
            host=given.host,
            port=given.port,
            # Not the uplink's: often the network server and the platform share a broker.
            client_id=settings.filled(f"{{org}}-{{id}}-{given.id or given.kind}"),
            username=credentials.revealed(given.username),
            password=credentials.revealed(given.password),
            version=given.version,
            tls=credentials.tls(given.tls),
        ),
        topics=tuple(given.topics),
        qos=0 if given.kind == "the-things-stack" else 1,  # it knows no other
        read=network_server.READERS[given.kind],
    )
