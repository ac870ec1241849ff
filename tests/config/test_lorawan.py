"""LoRaWAN in the configuration: nodes with and without keys, forwarders, network servers."""

import pytest

from gateway.config import ForwarderSettings, NetworkServerSettings
from tests.config.conftest import FindingsIn, Load

HEAD = "config_version: 1\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: localhost}\n"
KEY = "44024241ed4ce9a68c6a8bc055233fd3"
SESSION = "lorawan: {dev_addr: '26011f22', nwk_s_key: env:NWK, app_s_key: env:APP}"
NODE = "address: 'eui:70b3d57ed0001234', driver: cayenne-lpp"


def test_a_node_is_named_by_its_deveui_in_lower_case(load_text: Load) -> None:
    text = "devices: [{address: 'EUI:70B3D57ED0001234', driver: cayenne-lpp}]\n"
    settings = load_text(HEAD + text)

    (device,) = settings.devices
    assert (device.address, device.medium, device.space) == (
        "eui:70b3d57ed0001234",
        "lora",
        "eui",
    )
    assert device.payload is None
    assert settings.urn(device) == "urn:dev:mac:70b3d57ed0001234"


def test_a_session_is_read_and_its_keys_are_not_shown(load_text: Load) -> None:
    settings = load_text(HEAD + f"devices: [{{{NODE}, {SESSION}}}]\n", NWK=KEY, APP=KEY)

    given = settings.devices[0].lorawan
    assert given is not None
    assert given.nwk_s_key.key_bytes.hex() == KEY
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("entry", "where", "why"),
    [
        ("address: 'eui:70b3d57ed000123', driver: cayenne-lpp", "address", "eui: and 16 hexa"),
        ("address: 'eui:70b3d57ed000123g', driver: cayenne-lpp", "address", "eui: and 16 hexa"),
        ("address: 'eui:70b3d57ed0001234'", "driver", "needs a driver"),
        (f"{NODE}, key: env:NWK", "key", "LoRaWAN nodes have lorawan"),
        (f"{NODE}, payload: hex", "payload", "LoRaWAN nodes do not"),
        (f"{NODE}, address_type: random", "address_type", "only Bluetooth LE"),
        (f"address: 'lora:1', driver: cayenne-lpp, {SESSION}", "lorawan", "only LoRaWAN nodes"),
        (f"address: 'C0:FF:EE:00:00:01', {SESSION}", "lorawan", "their address is eui:"),
        (f"{NODE}, {SESSION}".replace("'26011f22'", "26011122"), "lorawan.dev_addr", "in quotes"),
        (f"{NODE}, {SESSION}".replace("26011f22", "26011f2"), "lorawan.dev_addr", "8 hexadecimal"),
        (f"{NODE}, {SESSION}".replace("env:NWK", "env:BAD"), "lorawan.nwk_s_key", "32 hexa"),
        (f"{NODE}, {SESSION}".replace("env:APP", KEY), "lorawan.app_s_key", "a reference"),
        (f"{NODE}, lorawan: {{dev_addr: '26011f22'}}", "lorawan.nwk_s_key", "is missing"),
    ],
)
def test_what_is_wrong_with_a_node_is_told_where_it_stands(
    findings_in: FindingsIn, entry: str, where: str, why: str
) -> None:
    found = findings_in(HEAD + f"devices: [{{{entry}}}]\n", NWK=KEY, APP=KEY, BAD="00")

    told = [str(finding) for finding in found if f"devices[0].{where}" in str(finding)]
    assert any(why in text for text in told), [str(finding) for finding in found]
    assert KEY not in "".join(map(str, found))


def test_two_nodes_that_nothing_tells_apart_are_refused(findings_in: FindingsIn) -> None:
    other = NODE.replace("1234", "5678")
    text = f"devices: [{{{NODE}, {SESSION}}}, {{{other}, {SESSION}}}]\n"
    (found,) = findings_in(HEAD + text, NWK=KEY, APP=KEY)

    assert "devices[1].lorawan" in str(found)
    assert "the device address 26011f22 with env:NWK is listed twice" in str(found)


# -------------------------------------------------------------------------------------- forwarders
def test_a_forwarder_is_listened_for_on_this_machine_alone(load_text: Load) -> None:
    (transport,) = load_text(HEAD + "transports: [{kind: semtech-udp}]\n").transports

    assert isinstance(transport, ForwarderSettings)
    assert (transport.name, transport.listen) == ("semtech-udp:127.0.0.1:1700", "127.0.0.1:1700")
    assert not transport.gateways
    assert not transport.networks


def test_beyond_this_machine_networks_and_gateways_are_told_apart(load_text: Load) -> None:
    allow = "[10.1.2.0/24, 10.9.9.9, 'fd00::/8', A84041FFFF1F2E3D]"
    text = f"transports: [{{kind: semtech-udp, listen: '[::]:1700', allow: {allow}}}]\n"
    (transport,) = load_text(HEAD + text).transports

    assert isinstance(transport, ForwarderSettings)
    assert transport.networks == ("10.1.2.0/24", "10.9.9.9/32", "fd00::/8")
    assert transport.gateways == {"a84041ffff1f2e3d"}


@pytest.mark.parametrize(
    ("entry", "where", "why"),
    [
        ("listen: 0.0.0.0:1700", "listen", "beyond this machine it needs allow"),
        ("listen: 10.1.2.3:1700, allow: []", "listen", "beyond this machine it needs allow"),
        ("listen: '[::]:1700'", "listen", "no authentication"),
        ("listen: 127.0.0.1", "listen", "an address and a port"),
        ("allow: [10.1.2.3/24]", "allow[0]", "a network is needed, 10.1.2.0/24"),
        ("allow: [gw-1]", "allow[0]", "EUI of 16 hexadecimal digits"),
        ("allow: [1234567890123456]", "allow[0]", "put it in quotes"),
    ],
)
def test_who_may_send_has_to_be_written_down(
    findings_in: FindingsIn, entry: str, where: str, why: str
) -> None:
    (found,) = findings_in(HEAD + f"transports: [{{kind: semtech-udp, {entry}}}]\n")

    assert f"transports[0].{where}" in str(found)
    assert why in str(found)


# --------------------------------------------------------------------------------- network servers
@pytest.mark.parametrize(
    ("kind", "version", "topic"),
    [
        ("chirpstack", "5", "application/+/device/+/event/up"),
        ("the-things-stack", "3.1.1", "v3/+/devices/+/up"),
    ],
)
def test_a_network_server_has_its_usual_topics(
    load_text: Load, kind: str, version: str, topic: str
) -> None:
    (server,) = load_text(HEAD + f"transports: [{{kind: {kind}, host: localhost}}]\n").transports

    assert isinstance(server, NetworkServerSettings)
    assert (server.name, server.port) == (f"{kind}:localhost", 1883)
    assert (server.version, server.topics) == (version, [topic])


def test_with_tls_the_port_is_another(load_text: Load) -> None:
    text = "transports: [{kind: chirpstack, host: ns.example, id: parking, tls: {}}]\n"
    (server,) = load_text(HEAD + text).transports

    assert isinstance(server, NetworkServerSettings)
    assert (server.name, server.port) == ("chirpstack:parking", 8883)


@pytest.mark.parametrize(
    ("entries", "where", "why"),
    [
        ("{kind: chirpstack}", "[0].host", "is missing"),
        ("{kind: chirpstack, host: ns.example}", "[0].host", "what is heard: configure tls"),
        ("{kind: chirpstack, host: 'localhost:1883'}", "[0].host", "a key beside it, port"),
        ("{kind: chirpstack, host: localhost, topics: []}", "[0].topics", "1 items at least"),
        ("{kind: chirpstack, host: localhost, topics: ['a/#/b']}", "[0].topics[0]", "a topic is"),
        ("{kind: chirpstack, host: localhost, topics: ['a+/b']}", "[0].topics[0]", "a topic is"),
        (
            "{kind: chirpstack, host: localhost}, {kind: chirpstack, host: localhost}",
            "[1].host",
            "chirpstack:localhost is listed twice",
        ),
        (
            "{kind: chirpstack, host: '::1', id: x}, {kind: chirpstack, host: localhost, id: x}",
            "[1].id",
            "chirpstack:x is listed twice",
        ),
    ],
)
def test_what_is_wrong_with_a_network_server_is_told_where_it_stands(
    findings_in: FindingsIn, entries: str, where: str, why: str
) -> None:
    found = [str(each) for each in findings_in(HEAD + f"transports: [{entries}]\n")]

    assert any(f"transports{where}" in each and why in each for each in found), found


def test_two_connections_to_one_host_have_names_of_their_own(load_text: Load) -> None:
    entry = "{kind: the-things-stack, host: localhost, id: ID}"
    entries = ", ".join(entry.replace("ID", name) for name in ("parking", "waste"))
    transports = load_text(HEAD + f"transports: [{entries}]\n").transports

    assert [t.name for t in transports] == ["the-things-stack:parking", "the-things-stack:waste"]


# ------------------------------------------------------------------------------------------- notes
@pytest.mark.parametrize(
    ("transports", "device", "note"),
    [
        ("{kind: ble}", NODE, "no transport that hears any"),
        ("{kind: serial, device: /dev/tty1, modem: reyax-rylr998}", NODE, "that hears any"),
        ("{kind: semtech-udp}", NODE, "eui:70b3d57ed0001234 has no lorawan keys"),
        ("{kind: semtech-udp}", "address: 'lora:1', driver: cayenne-lpp", "of kind serial"),
        (
            "{kind: chirpstack, host: ns.example, allow_cleartext: true}",
            NODE,
            "chirpstack:ns.example: in clear",
        ),
    ],
)
def test_what_cannot_be_heard_is_noted(
    load_text: Load, transports: str, device: str, note: str
) -> None:
    text = f"transports: [{transports}]\ndevices: [{{{device}}}]\n"

    assert any(note in each for each in load_text(HEAD + text).notes())


def test_where_all_fits_nothing_is_noted(load_text: Load) -> None:
    for transport, session in (
        ("{kind: semtech-udp}", f", {SESSION}"),
        ("{kind: chirpstack, host: localhost}", ""),
    ):
        text = f"transports: [{transport}]\ndevices: [{{{NODE}{session}}}]\n"

        assert list(load_text(HEAD + text, NWK=KEY, APP=KEY).notes()) == []
