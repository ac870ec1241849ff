"""Uplinks of ABP nodes: the published packets of lora-packet, and a node of our own."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto import AesKey
from gateway.lorawan import UPPER_HALVES, Session, Uplink, counters, parse
from gateway.sim.lorawan_node import LorawanNode

NETWORK = bytes.fromhex("44024241ed4ce9a68c6a8bc055233fd3")
APPLICATION = bytes.fromhex("ec925802ae430ca77fd3dd73cb2cc588")
SESSION = Session(0x49BE7DF1, AesKey(NETWORK), AesKey(APPLICATION))
UPLINK = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")
HALF = 1 << 16


def parsed(packet: bytes | str) -> Uplink:
    uplink = parse(bytes.fromhex(packet) if isinstance(packet, str) else packet)
    assert uplink is not None
    return uplink


def session(dev_addr: str, network: str, application: str = "00" * 16) -> Session:
    keys = AesKey(bytes.fromhex(network)), AesKey(bytes.fromhex(application))
    return Session(int(dev_addr, 16), *keys)


# ---------------------------------------------------------------- packets published by lora-packet
def test_a_published_uplink_is_read_as_its_publisher_reads_it() -> None:
    uplink = parsed(UPLINK)

    assert (uplink.dev_addr, uplink.low, uplink.port) == (0x49BE7DF1, 2, 1)
    assert uplink.mic == bytes.fromhex("2b11ff0d")
    assert SESSION.find(uplink, None) == 2
    assert SESSION.cipher(uplink.payload, 1, 2) == b"test"


def test_published_mics_fit_and_no_other_does() -> None:
    node = session("fc00dc06", "581c4d08ef04cda30b1fef7a8b2c74b8")
    other = session("e010ecf7", "17da125f3d55b28cc16a8111bd1d6c0b")

    assert SESSION.find(parsed("40F17DBE49000300012A3518AF"), None) == 3
    assert SESSION.find(parsed("40F17DBE49000300012A3518AA"), None) is None
    assert node.find(parsed("4006DC00FCC07400000244925050"), None) == 0x74
    assert other.find(parsed("40F7EC10E081000002015A171220B0C6D6470FC3"), None) == 0
    assert SESSION.find(parsed("4006DC00FCC07400000244925050"), None) is None


def test_options_of_a_published_uplink_are_no_payload() -> None:
    uplink = parsed("40F7EC10E081000002015A171220B0C6D6470FC3")

    assert (uplink.port, uplink.payload.hex()) == (0x01, "5a171220b0c6")


def test_only_data_uplinks_are_read() -> None:
    for other in (
        "60f17dbe4920020001f9d65d27",  # unconfirmed data down
        "0039363463336913AA05693574323831330489C65B1304",  # join request
        "20386337CCBBAAE7CD2C010000D9D0A6E7",  # join accept
        "E0F17DBE4900020001954378762B11FF0D",  # proprietary
        "41F17DBE4900020001954378762B11FF0D",  # of another major version
    ):
        assert parse(bytes.fromhex(other)) is None, other


def test_what_is_cut_short_or_altered_is_no_uplink_of_that_node() -> None:
    for size in range(len(UPLINK)):
        cut = parse(UPLINK[:size])
        assert cut is None or SESSION.find(cut, None) is None
    for bit in range(len(UPLINK) * 8):
        altered = bytearray(UPLINK)
        altered[bit // 8] ^= 1 << bit % 8
        uplink = parse(bytes(altered))
        assert uplink is None or SESSION.find(uplink, 1) is None


def test_what_no_radio_can_send_is_no_uplink() -> None:
    assert parse(UPLINK[:-4] + bytes(300)) is None
    assert parse(bytes.fromhex("40F17DBE490F0200") + bytes(4)) is None  # options beyond its end


# ------------------------------------------------------------------------------- a node of our own
keys = st.binary(min_size=16, max_size=16)


@given(keys, keys, st.integers(1, (1 << 32) - 1), st.integers(1, 223), st.binary(max_size=222))
def test_what_a_node_sends_is_what_is_read(
    network: bytes, application: bytes, counter: int, port: int, payload: bytes
) -> None:
    node = LorawanNode("26011f22", network, application, counter=counter)
    reader = Session(0x26011F22, AesKey(network), AesKey(application))

    uplink = parsed(node.send(payload, port, confirmed=bool(counter & 1)))

    assert (uplink.dev_addr, uplink.port) == (0x26011F22, port)
    assert reader.find(uplink, counter - 1) == counter
    assert reader.cipher(uplink.payload, port, counter) == payload


@given(st.integers(0, (1 << 32) - 1), st.integers(0, UPPER_HALVES * HALF - 1))
def test_the_upper_half_of_a_counter_is_found_however_many_uplinks_were_missed(
    last: int, missed: int
) -> None:
    counter = min(last + missed, (1 << 32) - 1)
    node = LorawanNode("49be7df1", NETWORK, APPLICATION, counter=counter)

    assert SESSION.find(parsed(node.send(b"21", 2)), last) == counter


@given(st.integers(0, HALF - 1), st.none() | st.integers(0, (1 << 32) - 1))
def test_counters_are_tried_once_each_the_next_one_first_and_a_bounded_number(
    low: int, last: int | None
) -> None:
    tried = list(counters(low, last))

    assert len(tried) == len(set(tried)) <= 2 * UPPER_HALVES + 1
    assert all(counter % HALF == low for counter in tried)
    assert low in tried  # of a node that began anew
    nearest = min((c for c in tried if c >= (last or 0)), default=tried[0])
    assert tried[0] == nearest


def test_a_session_equals_only_the_same_one() -> None:
    same = Session(0x49BE7DF1, AesKey(NETWORK), AesKey(APPLICATION))

    assert (same, hash(same)) == (SESSION, hash(SESSION))
    assert same != Session(0x49BE7DF1, AesKey(NETWORK), AesKey(NETWORK))
    assert same != Session(0x49BE7DF0, AesKey(NETWORK), AesKey(APPLICATION))
    assert NETWORK.hex() not in repr(same)
