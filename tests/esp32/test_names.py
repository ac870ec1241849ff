"""Names of hosts, asked of name servers that are right, wrong, silent or hostile."""

import struct

from tests.esp32.machines import run_on
from tests.esp32.udp import Answers, server

A, CNAME, AAAA = 1, 5, 28
POINTER = b"\xc0\x0c"  # to the question's name


def record(kind: int, data: bytes, name: bytes = POINTER) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def reply(query: bytes, *records: bytes, rcode: int = 0, count: int | None = None) -> bytes:
    answers = len(records) if count is None else count
    return (
        query[:2]
        + struct.pack("!BBHHHH", 0x81, 0x80 | rcode, 1, answers, 0, 0)
        + query[12:]
        + b"".join(records)
    )


GOOD = record(A, bytes([10, 1, 2, 3]))
ALIAS = record(CNAME, b"\x04real\xc0\x11")


def answer(query: bytes) -> Answers:
    """Answer by what is asked for."""
    name = query[13 : 13 + query[12]].lower().decode()
    lowered = query[:12] + query[12:].lower()
    truncated = [reply(query, ALIAS, GOOD)[:size] for size in range(12, 70)]
    others = {
        "good": [reply(query, GOOD)],
        "alias": [reply(query, ALIAS, record(AAAA, bytes(16)), GOOD)],
        "nxdomain": [reply(query, rcode=3)],
        "six": [reply(query, record(AAAA, bytes(range(16))))],
        "zero": [reply(query, record(A, bytes(4)))],
        "wrong-number": [bytes([query[0] ^ 1]) + reply(query, GOOD)[1:]],
        "wrong-question": [reply(query[:13] + b"x" + query[14:], GOOD)],
        "no-answer-bit": [query],
        "lower-case": [reply(lowered, GOOD)],
        "circle": [reply(query, record(A, b"\xc0\x0c", b"\xc0\x0c"), count=65535)],
        "past-the-end": [reply(query, b"\x3fabc", count=3)],
        "long-data": [reply(query, POINTER + struct.pack("!HHIH", CNAME, 1, 0, 65535), GOOD)],
        "cut": truncated[:40],
        "after-nonsense": [b"", b"\x00", bytes(12), bytes(511), reply(query, GOOD)],
        "flood": [bytes(40)] * 100 + [reply(query, GOOD)],
        "silent": [],
    }
    strange = [reply(query, record(A, bytes([6, 6, 6, 6])))] if name.startswith("spoof") else []
    if name == "spoofed-first":
        return [reply(query, GOOD)], strange
    return others.get(name, []), strange


def asked(*names: str, servers: str) -> dict[str, str]:
    hosts = [name if name[0].isdigit() else name + ".test" for name in names]
    ended = run_on("32", "tests/esp32/vm_ask.py", "names", servers, *hosts)
    assert ended.code == 0, ended.text
    lines = [line.split(" ", 1) for line in ended.text.splitlines()]
    return {host.removesuffix(".test"): told for host, told in lines}


def test_names_become_addresses_and_only_by_answers_to_the_question() -> None:
    found = ("good", "alias", "lower-case", "after-nonsense", "spoofed-first")
    none = ("nxdomain", "six", "zero")
    unanswered = (
        "wrong-number",
        "wrong-question",
        "no-answer-bit",
        "circle",
        "past-the-end",
        "long-data",
        "cut",
        "flood",
        "spoofed-only",
        "silent",
    )
    with server(answer) as port:
        told = asked(*found, *none, *unanswered, servers=f"127.0.0.1:{port}")
    assert {name: told[name] for name in found} == dict.fromkeys(found, "10.1.2.3")
    assert {name: told[name] for name in none} == {
        name: f"no such host: {name}.test" for name in none
    }
    assert {name: told[name] for name in unanswered} == {
        name: f"no name server answers: {name}.test" for name in unanswered
    }


def test_the_next_server_is_asked_where_one_is_silent_or_lost() -> None:
    with server(lambda _: ([], [])) as silent, server(answer) as good:
        servers = f"127.0.0.1:{silent},127.0.0.1:{good}"
        assert asked("good", servers=servers) == {"good": "10.1.2.3"}


def test_an_address_is_not_asked_for_but_what_only_looks_like_one_is() -> None:
    with server(answer) as port:
        told = asked("192.0.2.7", "256.1.1.1", "1.2.3", "silent", servers=f"127.0.0.1:{port}")
    assert told == {
        "192.0.2.7": "192.0.2.7",
        "256.1.1.1": "no name server answers: 256.1.1.1",
        "1.2.3": "no name server answers: 1.2.3",
        "silent": "no name server answers: silent.test",
    }
