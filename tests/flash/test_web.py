"""The page for browsers: what is on it, who reaches it, what a board is written from it."""

import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.sim.esp_rom.firmware_image import firmware
from tests.flash.desks import BOARD, desk, profile
from ugw_flash.batch.ledger import alone
from ugw_flash.batch.results import Result, Results
from ugw_flash.batch.sheet import Sheet, read_sheet
from ugw_flash.commands.web import Maker, boards_of, web
from ugw_flash.esp32 import filesystem, partitions
from ugw_flash.esp32.firmware import read as read_firmware
from ugw_flash.outcome import BadMaterialError, NoDeviceError
from ugw_flash.web.page import Entry, Part, page
from ugw_flash.web.server import Image, Server, Site

TOOLS = {"install-button.js": b"export {}", "LICENSE": b"Apache"}


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def get(server: Server, path: str = "", *, host: str = "127.0.0.1", token: str = "") -> Got:
    """Ask as a browser does."""
    port = int(server.url.split(":")[2].partition("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        where = f"/{token or server.token}/{path}"
        connection.request("GET", where, headers={"Host": f"{host}:{port}"})
        answer = connection.getresponse()
        return Got(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    path = tmp_path / "kiel.csv"
    path.write_text("gateway;profile;name;site\ngw-1;boards;<b>Dach</b>;Kiel\ngw-2;cards;;\n")
    return read_sheet(path)


@pytest.fixture
def server(tmp_path: Path, sheet: Sheet, said: list[str]) -> Iterator[Server]:
    """Serve one board, of a sheet that has a card too."""
    image = firmware()
    digest = hashlib.sha256(image).hexdigest()
    text = BOARD.replace("0" * 64, digest)
    profile(tmp_path / "boards", text, firmware_bin=image)
    profile(tmp_path / "cards")
    maker = Maker(sheet, dict(boards_of(sheet, None)), desk(), None)
    site = Site({"gw-1": maker.entry("gw-1")}, TOOLS, maker.image)
    with Server(site, 0, say=said.append) as made:
        thread = threading.Thread(target=made.serve)
        thread.start()
        yield made
        made.close()
        thread.join()


def test_the_page_offers_boards_and_no_cards_and_nothing_of_a_row_is_markup(
    server: Server,
) -> None:
    got = get(server)

    assert got.status == 200
    assert b'manifest="gw-1/manifest.json"' in got.body
    assert b"gw-2" not in got.body
    assert b"&lt;b&gt;Dach&lt;/b&gt;" in got.body
    assert b"http://" not in got.body, "all of it comes from here"
    assert got.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert got.headers["Cache-Control"] == "no-store"


def test_what_a_browser_writes_is_what_esptool_would(server: Server, tmp_path: Path) -> None:
    listed = json.loads(get(server, "gw-1/manifest.json").body)
    (build,) = listed["builds"]
    assert build["chipFamily"] == "ESP32"
    flash = bytearray(b"\x55" * 4 * 2**20)
    order = []
    for part in build["parts"]:
        content = get(server, f"gw-1/{part['path']}").body
        flash[part["offset"] : part["offset"] + len(content)] = content
        order.append((part["offset"], content))

    path = tmp_path / "boards/firmware.bin"
    read = read_firmware(path, hashlib.sha256(path.read_bytes()).hexdigest())
    for piece in read.pieces():
        assert flash[piece.offset : piece.offset + len(piece.content)] == piece.content
    region = partitions.files(read.table, len(flash))
    names = filesystem.read(bytes(flash[region.offset : region.offset + region.size]))
    assert json.loads(names["ugw.json"])["gateway"] == "gw-1"
    first, last = order[0], order[-1]
    assert first[0] == last[0] == 0x1000
    assert first[1] == b"\xff" * 4096, "a board whose writing is cut short does not start"


def test_a_claim_serves_once_so_an_image_is_made_once(server: Server) -> None:
    assert get(server, "gw-1/0.bin").body
    first = get(server, "gw-1/manifest.json").body
    assert get(server, "gw-1/manifest.json").body == first


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("", {"host": "evil.example"}),
        ("", {"token": "guessed"}),
        ("gw-1/0.bin", {"host": "evil.example"}),
        ("gw-1/0.bin", {"token": "guessed"}),
        ("gw-1/999.bin", {}),
        ("gw-1/-1.bin", {}),
        ("gw-2/manifest.json", {}),
        ("esp-web-tools/../../secret", {}),
        ("../kiel.csv", {}),
    ],
)
def test_nobody_gets_more_than_the_page_leads_to(
    server: Server, path: str, changed: dict[str, str]
) -> None:
    got = get(server, path, **changed)

    assert got.status == 404
    assert got.body == b"there is nothing here\n"


def test_what_cannot_be_made_is_told_to_the_browser(
    server: Server, tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "boards/firmware.bin").write_bytes(b"another")
    got = get(server, "gw-1/manifest.json")

    assert got.status == 409
    assert b"firmware.bin" in got.body
    assert [each for each in said if each.startswith("gw-1: ") and "firmware.bin" in each] == said


@pytest.mark.parametrize(
    "asked",
    [
        b"GARBAGE\r\n\r\n",
        b"GET nowhere HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
        b"GET /x/evil\x1b[2J/manifest.json HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
        b"",
    ],
)
def test_what_no_browser_of_ours_asks_shows_nothing_on_the_terminal(
    server: Server, said: list[str], capfd: pytest.CaptureFixture[str], asked: bytes
) -> None:
    port = int(server.url.split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(asked)
        caller.shutdown(socket.SHUT_WR)
        while caller.recv(4096):
            pass
    assert get(server).status == 200

    assert said == []
    assert capfd.readouterr().err == ""


def test_a_browser_that_connects_and_says_nothing_is_left_without_a_word(
    server: Server, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Browsers open connections in advance.
    monkeypatch.setattr(server.handler, "timeout", 0.05)
    port = int(server.url.split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        assert caller.recv(1) == b""

    assert capfd.readouterr().err == ""


def test_a_board_that_was_made_already_is_not_made_from_a_browser(
    server: Server, sheet: Sheet, said: list[str]
) -> None:
    Results.beside(sheet).add(Result("gw-1", "made", "2026-11-22T17:20:00Z", "esp32"))
    got = get(server, "gw-1/manifest.json")

    assert got.status == 409
    assert said == [f"gw-1: {' '.join(got.body.decode().splitlines())}"]
    assert "made already (2026-11-22T17:20:00Z)" in said[0]
    assert "--again" in said[0]


def test_while_a_batch_is_made_of_the_sheet_no_claim_is_taken(
    server: Server, sheet: Sheet
) -> None:
    with alone(sheet.path):
        assert get(server, "gw-1/manifest.json").status == 409
    assert get(server, "gw-1/manifest.json").status == 200


def test_a_signature_that_is_asked_for_is_never_done_without(sheet: Sheet, tmp_path: Path) -> None:
    # Who takes bundle.json away takes the signature away.
    with pytest.raises(BadMaterialError, match="is no bundle, or not any more"):
        web(sheet.path, signed_by=tmp_path / "key.pub", browser=False)


def test_two_browsers_that_ask_at_once_get_the_same_image() -> None:
    both = threading.Barrier(2)
    made: list[str] = []

    def of(gateway: str) -> Image:
        made.append(gateway)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.3)  # who is let in while another is made does not wait in vain
        return Image("esp32", "1", ())

    site = Site({"gw-1": Entry("gw-1", "", "", "AAAA-AAAA")}, {}, of)
    asking = [threading.Thread(target=site.answer, args=("gw-1/manifest.json",)) for _ in range(2)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert made == ["gw-1"]


def test_a_port_that_is_taken_is_told(server: Server) -> None:
    taken = int(server.url.split(":")[2].partition("/")[0])
    with pytest.raises(NoDeviceError, match="cannot listen"):
        Server(Site({}, {}, lambda _: Image("esp32", "", ())), taken, say=print)


def test_neither_page_nor_records_show_what_is_secret() -> None:
    assert "secret" not in repr(Part(0, b"secret"))
    assert b"README" not in page([Entry("gw-1", "", "", "AAAA-AAAA")], "x.js")
