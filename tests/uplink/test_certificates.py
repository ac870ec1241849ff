"""Certificates change under a running uplink; half of a pair is waited for."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from gateway.clock import ClockState
from gateway.dial import TlsSettings
from gateway.health import Health
from gateway.uplink.certificates import Certificates
from tests.authorities import DAY, Authority
from tests.fakes import FakeClock

NS_PER_S = 1_000_000_000


class Files:
    """What an installation names, and who looks at it."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory / "authority")
        self.directory = directory
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.tls = TlsSettings(
            ca=str(self.put(self.authority.pem, "ca.pem")),
            cert=str(directory / "gw.pem"),
            key=str(directory / "gw.key"),
        )
        self.renew()
        self.certificates = Certificates(self.tls, health=self.health)
        self.certificates.use()

    def put(self, source: Path, name: str) -> Path:
        """Write a file as a renewal does: in place."""
        return Path(shutil.copyfile(source, self.directory / name))

    def renew(self, **validity: dt.datetime) -> tuple[Path, Path]:
        """Have a new pair issued and put where it belongs."""
        cert, key = self.authority.issue("gw", **validity)
        return self.put(cert, "gw.pem"), self.put(key, "gw.key")

    def looks(self, times: int) -> list[bool]:
        """Look so often."""
        return [self.certificates.renewed() for _ in range(times)]

    def ends_in(self, days: float) -> None:
        """Have a certificate used that ends then, by the gateway's clock."""
        now = dt.datetime.fromtimestamp(self.clock.wall_ns() / NS_PER_S, dt.UTC)
        self.renew(not_before=now - 400 * DAY, not_after=now + days * DAY)
        self.certificates.use()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_files_that_nobody_touches_are_never_renewed(files: Files) -> None:
    assert files.looks(5) == [False] * 5


def test_a_new_pair_is_taken_up_once_it_has_been_left_alone_for_a_look(files: Files) -> None:
    files.renew()
    assert files.looks(2) == [False, True]
    files.certificates.use()
    assert files.looks(3) == [False] * 3


def test_a_file_that_is_still_being_written_is_waited_for(files: Files) -> None:
    cert, key = files.authority.issue("gw")
    files.put(key, "gw.key")
    whole = cert.read_bytes()
    for part in (100, 200, len(whole)):
        Path(files.tls.cert or "").write_bytes(whole[:part])
        assert files.looks(1) == [False]
    assert files.looks(1) == [True]


def test_half_a_pair_is_waited_for_and_said_once(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = files.authority.issue("gw")
    files.put(cert, "gw.pem")
    assert files.looks(5) == [False] * 5
    assert len(caplog.messages) == 1
    assert "not usable" in caplog.text
    files.put(key, "gw.key")
    assert files.looks(2) == [False, True]


def test_a_file_that_has_gone_is_waited_for(files: Files) -> None:
    ca = Path(files.tls.ca or "")
    ca.unlink()
    assert files.looks(3) == [False] * 3
    files.put(files.authority.pem, "ca.pem")
    assert files.looks(2) == [False, True]


def test_a_link_that_leads_to_another_file_is_a_renewal(files: Files) -> None:
    for name in ("gw.pem", "gw.key"):
        (files.directory / name).unlink()
    for source in files.authority.issue("gw"):
        (files.directory / source.name).symlink_to(source)
    assert files.looks(2) == [False, True]


def test_when_our_own_certificate_ends_is_known_and_said_once_a_day_in_the_last_three_weeks(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.ends_in(22.5)
    files.looks(3)
    assert not caplog.messages
    for _ in range(3):
        files.clock.pass_s(86_400)
        files.looks(3)
    assert [line.split(" remedy")[0] for line in caplog.messages] == [
        "certificate expires days_left=20",
        "certificate expires days_left=19",
    ]
    until_s = files.health.uplink.certificate_until_s
    assert until_s is not None
    assert 19 <= (until_s - files.clock.wall_ns() / NS_PER_S) / 86_400 < 20


def test_an_expired_certificate_is_an_error_and_a_renewed_one_ends_it(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.ends_in(-2.5)
    assert "certificate expired" in caplog.text
    assert caplog.records[-1].levelname == "ERROR"
    caplog.clear()
    files.ends_in(90)
    files.looks(3)
    assert not caplog.messages


def test_a_clock_that_nobody_has_set_cannot_say_that_a_certificate_expires(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.clock.state = ClockState.UNSYNCED
    files.ends_in(-2.5)
    files.looks(3)
    assert not caplog.messages


def test_without_files_there_is_nothing_to_renew_and_nothing_that_expires() -> None:
    health = Health(FakeClock())
    certificates = Certificates(None, health=health)
    certificates.use()
    assert not certificates.renewed()
    assert health.uplink.certificate_until_s is None


def test_a_certificate_that_does_not_hold_yet_is_said_once_with_its_date(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    now = dt.datetime.fromtimestamp(files.clock.wall_ns() / NS_PER_S, dt.UTC)
    begin = now + 2 * DAY
    files.renew(not_before=begin, not_after=now + 90 * DAY)
    for _ in range(3):
        files.certificates.use()
        files.looks(3)
    (said,) = caplog.messages
    assert f"our certificate is not valid before {begin:%Y-%m-%d %H:%M} UTC" in said
    assert "is this gateway's clock right?" in said
