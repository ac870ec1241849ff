"""A simulated chip, asked packet by packet: the line, the flash, the loaders."""

import hashlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SimulatorError
from gateway.sim.esp_rom.flash import SECTOR_BYTES, NorFlash
from gateway.sim.esp_rom.loader import Loader
from gateway.sim.esp_rom.protocol import Command, Why, checksum
from gateway.sim.esp_rom.rom import Rom
from gateway.sim.esp_rom.silicon import PLACES, Kind, Silicon, registers
from gateway.sim.esp_rom.slip import Frames, frame
from gateway.sim.esp_rom.stub import Stub

SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
MIB = 1 << 20


def digest_of(content: bytes) -> bytes:
    """Return the digest that the loaders use."""
    return hashlib.md5(content, usedforsecurity=False).digest()


# ---------------------------------------------------------------------------------------- the line
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 7))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    payloads: list[bytes], step: int
) -> None:
    line = b"".join(map(frame, payloads))
    frames = Frames()
    found = [
        payload
        for at in range(0, len(line), step)
        for payload in frames.feed(line[at : at + step])
    ]
    assert found == payloads


def test_noise_between_frames_is_passed_over() -> None:
    assert Frames().feed(b"ets Jul 29" + frame(b"one") + b"\x00\xff" + frame(b"two")) == [
        b"one",
        b"two",
    ]


def test_a_frame_with_an_escape_of_nothing_is_dropped_and_the_next_one_is_not() -> None:
    frames = Frames()
    assert frames.feed(b"\xc0\xdb\x01lost") == []
    assert frames.feed(b"\xc0" + frame(b"next")) == [b"next"]


def test_a_frame_that_ends_in_an_escape_spoils_nothing_of_the_next_one() -> None:
    assert Frames().feed(b"\xc0cut\xdb\xc0" + frame(b"\xdcnext")) == [b"cut", b"\xdcnext"]


@given(st.binary(max_size=70))
def test_the_checksum_is_all_bytes_one_over_the_other(content: bytes) -> None:
    folded = 0xEF
    for byte in content:
        folded ^= byte
    assert checksum(content) == folded


# --------------------------------------------------------------------------------------- the flash
def test_programming_only_clears_bits_and_erasing_sets_whole_sectors() -> None:
    flash = NorFlash(4 * SECTOR_BYTES)
    flash.program(SECTOR_BYTES, b"\xf0")
    flash.program(SECTOR_BYTES, b"\x0f")
    assert flash.read(SECTOR_BYTES, 2) == b"\x00\xff"
    flash.program(SECTOR_BYTES - 1, b"\0")
    flash.erase(SECTOR_BYTES + 5, 1)
    assert flash.read(SECTOR_BYTES - 1, 2) == b"\x00\xff"
    assert flash.erases == 1


def test_nothing_reaches_beyond_the_end_of_the_flash() -> None:
    flash = NorFlash(SECTOR_BYTES)
    for beyond in (
        lambda: flash.read(1, SECTOR_BYTES),
        lambda: flash.program(SECTOR_BYTES, b"x"),
        lambda: flash.erase(SECTOR_BYTES - 1, 2),
    ):
        with pytest.raises(SimulatorError, match="beyond a flash"):
            beyond()


def test_a_worn_cell_keeps_a_bit() -> None:
    flash = NorFlash(SECTOR_BYTES, frozenset({3}))
    flash.program(0, b"abcdef")
    differing = [at for at, byte in enumerate(b"abcdef") if flash.read(at, 1)[0] != byte]
    assert differing == [3]


def test_there_is_no_chip_with_what_no_chip_has() -> None:
    for wrong in (
        {"mac": b"short"},
        {"flash_bytes": 3 * MIB},
        {"flash_bytes": 4096},
        {"kind": "esp32s3", "secure_boot": 1},
        {"kind": "esp32", "download": "secure"},
    ):
        with pytest.raises(SimulatorError):
            Silicon(**wrong)


# ------------------------------------------------------------------------------------- the loaders
class Asked:
    """A loader, asked without a line."""

    def __init__(self, make: type[Loader] = Rom, silicon: Silicon | None = None) -> None:
        silicon = silicon or Silicon(flash_bytes=MIB)
        self.flash = NorFlash(silicon.flash_bytes)
        self.loader = make(silicon, self.flash, registers(silicon))

    def ask(self, command: int, *words: int, more: bytes = b"", check: int = 0) -> list[bytes]:
        """Return all packets that answer a request."""
        data = struct.pack(f"<{len(words)}I", *words) + more
        return self.loader.answer(struct.pack("<BBHI", 0, command, len(data), check) + data)

    def done(self, command: int, *words: int, more: bytes = b"", check: int = 0) -> bytes:
        """Return the data of the one answer; fail on a refusal."""
        (packet,) = self.ask(command, *words, more=more, check=check)
        assert packet[:2] == bytes((1, command))
        status = self.loader.status_bytes
        assert packet[-status:] == bytes(status), packet
        return packet[8:-status]

    def refused(self, command: int, *words: int, more: bytes = b"", check: int = 0) -> int:
        """Return why a request is refused."""
        (packet,) = self.ask(command, *words, more=more, check=check)
        assert packet[8], packet
        assert len(packet) == 8 + self.loader.status_bytes
        return packet[9] if packet[8] == 1 else packet[8]

    def block(self, number: int, content: bytes, *, deflated: bool = False) -> list[bytes]:
        """Send a block of data."""
        command = Command.FLASH_DEFL_DATA if deflated else Command.FLASH_DATA
        words = (len(content), number, 0, 0)
        return self.ask(command, *words, more=content, check=checksum(content))


def test_the_rom_answers_a_synchronisation_eight_times_and_the_stub_says_that_it_is_one() -> None:
    rom, stub = Asked().ask(Command.SYNC, more=SYNC), Asked(Stub).ask(Command.SYNC, more=SYNC)
    assert len(rom) == len(stub) == 8
    assert rom[0][4:8] != bytes(4) == stub[0][4:8]


def test_what_is_no_request_gets_no_answer_and_an_unknown_one_is_refused() -> None:
    asked = Asked()
    assert asked.loader.answer(b"\x00\x08\x24") == []
    assert asked.loader.answer(struct.pack("<BBHI", 0, Command.SYNC, 36, 0) + b"short") == []
    assert asked.loader.answer(struct.pack("<BBHI", 1, Command.SYNC, 0, 0)) == []
    assert asked.refused(0x77) == Why.INVALID
    assert asked.refused(Command.READ_REG) == Why.INVALID
    assert asked.refused(Command.SYNC, more=b"something") == Why.INVALID


def test_no_download_begins_before_the_flash_is_attached() -> None:
    asked = Asked()
    assert asked.refused(Command.FLASH_BEGIN, 4096, 4, 1024, 0) == Why.FAILED
    asked.done(Command.SPI_ATTACH, 0, 0)
    asked.done(Command.FLASH_BEGIN, 4096, 4, 1024, 0)


def begun(make: type[Loader], size: int, *, deflated: bool = False) -> Asked:
    """Return a loader that waits for the first block of `size` bytes at 0x2000."""
    asked = Asked(make)
    asked.flash.program(0x2000, bytes(2 * SECTOR_BYTES))
    asked.done(Command.SPI_ATTACH, 0, 0)
    command = Command.FLASH_DEFL_BEGIN if deflated else Command.FLASH_BEGIN
    asked.done(command, size, 2, 0x400, 0x2000)
    return asked


def why(packets: list[bytes]) -> int:
    """Return why a block was refused; 0: it was taken."""
    status = packets[0][8:]
    return status[1] if len(status) == Rom.status_bytes else status[0]


def test_the_rom_takes_blocks_in_their_order_each_once() -> None:
    asked = begun(Rom, 8)
    assert why(asked.block(1, b"4567")) == Why.FAILED
    assert why(asked.block(0, b"0123")) == 0
    assert why(asked.block(0, b"0123")) == Why.FAILED
    assert why(asked.block(1, b"4567")) == 0
    assert asked.flash.read(0x2000, 9) == b"01234567\xff"


def test_the_stub_writes_a_block_that_is_sent_again_twice() -> None:
    asked = begun(Stub, 12)
    for number, content in ((0, b"0123"), (0, b"0123"), (1, b"4567")):
        assert why(asked.block(number, content)) == 0
    assert asked.flash.read(0x2000, 13) == b"012301234567\xff"


@pytest.mark.parametrize(("make", "damaged", "short"), [(Rom, 7, 5), (Stub, 0xC1, 0xC3)])
def test_a_block_that_is_damaged_or_of_another_size_is_refused(
    make: type[Loader], damaged: int, short: int
) -> None:
    asked = begun(make, 8)
    data = Command.FLASH_DATA
    assert asked.refused(data, 4, 0, 0, 0, more=b"0123", check=1) == damaged
    assert asked.refused(data, 5, 0, 0, 0, more=b"0123", check=checksum(b"0123")) == short
    assert why(asked.block(0, b"0123")) == 0


def test_what_fails_after_the_stub_has_answered_is_told_with_the_next_request() -> None:
    asked = begun(Stub, 8, deflated=True)
    assert why(asked.block(0, b"plain", deflated=True)) == 0
    assert asked.refused(Command.READ_REG, 0) == 0xC7
    asked.done(Command.READ_REG, 0)


def test_the_stub_ends_a_download_when_all_of_it_has_come_and_stays() -> None:
    asked = begun(Stub, 8)
    assert why(asked.block(0, b"0123")) == 0
    assert asked.refused(Command.FLASH_END, 0) == 0xC0
    assert why(asked.block(1, b"4567 and padding")) == 0
    asked.done(Command.FLASH_END, 0)
    assert asked.loader.turn == ""
    assert asked.refused(Command.FLASH_END, 0) == 0xC6
    assert asked.flash.read(0x2000, 9) == b"01234567\xff"


@pytest.mark.parametrize(("flag", "turn"), [(0, "reset"), (1, "application")])
def test_the_rom_leaves_at_the_end_of_a_download(flag: int, turn: str) -> None:
    asked = Asked()
    asked.done(Command.FLASH_END, flag)
    assert asked.loader.turn == turn


def test_a_download_stays_within_its_range_and_the_flash() -> None:
    asked = begun(Rom, 8)
    assert why(asked.block(0, bytes(SECTOR_BYTES + 1))) == Why.BEYOND_FLASH
    assert asked.refused(Command.FLASH_BEGIN, 4096, 1, 4096, MIB) == Why.FAILED
    assert asked.refused(Command.SPI_FLASH_MD5, MIB - 1, 2) == Why.BEYOND_FLASH
    assert asked.refused(Command.SPI_SET_PARAMS, 0, 2 * MIB) == Why.FAILED


def test_without_a_download_there_is_nowhere_to_write() -> None:
    assert why(Asked().block(0, b"0123")) == Why.FAILED
    assert Asked().refused(Command.MEM_DATA, 0, 0, 0, 0, check=0xEF) == Why.FAILED
    assert Asked().refused(Command.MEM_END, 0, 0x4000_0000) == Why.FAILED


def test_what_is_deflated_is_inflated_and_what_is_not_is_refused() -> None:
    asked = begun(Stub, 3000, deflated=True)
    packed = zlib.compress(b"much of the same " * 100)
    assert why(asked.block(0, packed[:10], deflated=True)) == 0
    assert why(asked.block(1, packed[10:], deflated=True)) == 0
    assert asked.flash.read(0x2000, 34) == b"much of the same " * 2
    assert why(begun(Rom, 8, deflated=True).block(0, b"plain", deflated=True)) == Why.NOT_INFLATED
    bomb = zlib.compress(bytes(100_000))
    assert why(begun(Rom, 8, deflated=True).block(0, bomb, deflated=True)) == Why.BEYOND_FLASH


def test_the_rom_erases_all_at_once_and_the_stub_as_it_goes() -> None:
    rom, stub = begun(Rom, 2 * SECTOR_BYTES), begun(Stub, 2 * SECTOR_BYTES)
    for asked in (rom, stub):
        assert why(asked.block(0, b"first")) == 0
    assert rom.flash.read(0x3000, 1) == b"\xff"
    assert stub.flash.read(0x3000, 1) == b"\x00"


def test_digests_are_digits_from_the_rom_and_bytes_from_the_stub() -> None:
    digest = digest_of(b"\xff" * 64)
    assert Asked().done(Command.SPI_FLASH_MD5, 0, 64, 0, 0) == digest.hex().encode()
    assert Asked(Stub).done(Command.SPI_FLASH_MD5, 0, 64, 0, 0) == digest


def test_only_the_stub_erases_all_and_only_the_rom_reads_slowly() -> None:
    asked = Asked(Stub)
    asked.flash.program(0, bytes(MIB))
    asked.done(Command.ERASE_REGION, 0x1000, 0x1000)
    assert asked.flash.read(0x0FFF, 3) == b"\x00\xff\xff"
    asked.done(Command.ERASE_FLASH)
    assert asked.flash.read(0, MIB) == b"\xff" * MIB
    assert Asked().refused(Command.ERASE_FLASH) == Why.INVALID
    assert asked.refused(Command.READ_FLASH_SLOW, 0, 64) == 0xC3
    assert Asked().done(Command.READ_FLASH_SLOW, 0, 2) == b"\xff\xff".ljust(64, b"\0")
    assert Asked().refused(Command.READ_FLASH_SLOW, 0, 65) == Why.TOO_LONG


def test_the_stub_sends_block_after_block_as_they_are_had_and_a_digest_last() -> None:
    asked, content = Asked(Stub), bytes(range(250))
    asked.flash.program(0, content)
    begin, first = asked.ask(Command.READ_FLASH, 0, 250, 100, 64)
    assert len(begin) == 10
    (second,) = asked.loader.answer(struct.pack("<I", 100))
    (third,) = asked.loader.answer(struct.pack("<I", 200))
    assert first + second + third == content
    assert asked.loader.answer(struct.pack("<I", 250)) == [digest_of(content)]
    assert len(asked.ask(Command.SYNC, more=SYNC)) == 8


@pytest.mark.parametrize("kind", ["esp32", "esp32s3"])
def test_the_flash_says_its_size_when_it_is_asked_through_its_controller(kind: Kind) -> None:
    silicon = Silicon(kind=kind, flash_bytes=8 * MIB)
    asked, places = Asked(silicon=silicon), PLACES[silicon.kind]
    asked.done(Command.WRITE_REG, places.user2, 0x7000_009F, 0xFFFF_FFFF, 0)
    asked.done(Command.WRITE_REG, places.spi, 1 << 18, 0xFFFF_FFFF, 0)
    assert asked.ask(Command.READ_REG, places.spi)[0][4:8] == bytes(4)
    assert asked.ask(Command.READ_REG, places.data)[0][4:7] == b"\xef\x40\x17"


def test_only_an_s3_tells_what_its_fuses_forbid_and_in_secure_download_little_else() -> None:
    assert Asked().refused(Command.GET_SECURITY_INFO) == Why.INVALID
    silicon = Silicon(kind="esp32s3", secure_boot=2, flash_encryption=True, download="secure")
    asked = Asked(silicon=silicon)
    told = struct.unpack("<IB7xII", asked.done(Command.GET_SECURITY_INFO))
    assert told == (0b101, 1, 9, 0)
    for command in (Command.READ_REG, Command.MEM_BEGIN, Command.SPI_FLASH_MD5):
        assert asked.refused(command, 0, 0, 0, 0) == Why.INVALID
    asked.done(Command.SPI_ATTACH, 0, 0)
    asked.done(Command.FLASH_BEGIN, 4096, 1, 4096, 0)
