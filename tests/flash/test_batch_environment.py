"""/etc/ugw/environment of a card: the same value to the service, to a shell and to our read-back.

The service reads it by systemd's rules, `ugw` on the gateway and its first boot by a shell's: as
root, so that a password must never be more than a password.
"""

import subprocess
from pathlib import Path

import pytest

from tests.flash.desks import GATEWAY_YAML, desk, profile
from ugw_flash.batch.row import Row, seed_of
from ugw_flash.seed.environment import variables

AWKWARD = [
    "correct horse",
    "it's",
    'a"b\\c',
    "pa$$word$HOME",
    "`touch ran`$(touch ran)",
    "#1; & | > < * ~ !",
    "\\$x\\\\",
]


@pytest.mark.parametrize("value", AWKWARD)
def test_a_variable_is_the_same_to_a_shell_and_to_the_read_back(
    tmp_path: Path, value: str
) -> None:
    text = GATEWAY_YAML.replace("  tls:", "  username: env:PW\n  password: env:PW\n  tls:")
    opened = profile(tmp_path, gateway_yaml=text)
    content = seed_of(Row("gw-1"), opened, None, desk({"PW": value})).etc["environment"]
    placed = tmp_path / "environment"
    placed.write_bytes(content)

    script = 'set -a; . "$0"; exec printenv PW'
    asked = ["sh", "-c", script, str(placed)]
    said = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout == f"{value}\n"
    assert not (tmp_path / "ran").exists()
    assert variables(content) == {"PW": value}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("PW=plain", "plain"),
        ("PW='as it $is\\n'", "as it $is\\n"),
        ('PW="a\\$b"', "a$b"),
        ("  PW=x", "x"),
        ('PW="never ended', '"never ended'),
    ],
)
def test_a_line_that_somebody_wrote_is_read_as_the_service_reads_it(line: str, value: str) -> None:
    assert variables(f"# of all\n;PW=no\n{line}\nnothing\n".encode()) == {"PW": value}
