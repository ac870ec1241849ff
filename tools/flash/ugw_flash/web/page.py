"""The page on which boards are written from a browser, and what it tells ESP Web Tools.

Nothing on it comes from anywhere but this machine, and nothing of a row is markup.
"""

import json
from collections.abc import Iterable
from html import escape
from typing import Final, NamedTuple

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FAMILIES: Final = {"esp32": "ESP32", "esp32s3": "ESP32-S3"}

_STYLE: Final = """\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 44rem; padding: 0 1rem }
li { margin: 0 0 1.25rem }
code { font-size: 1.1em }
small { display: block; opacity: .75 }
.warning { border-left: .3rem solid #c60; padding-left: 1rem }
"""


class Entry(NamedTuple):
    """A board that can be written."""

    gateway: str
    name: str
    site: str
    short_code: str


class Part(NamedTuple):
    """Bytes for a place of the flash."""

    offset: int
    content: bytes

    def __repr__(self) -> str:
        return f"Part({self.offset:#x})"  # one of them has secrets in it


def manifest(gateway: str, software: str, chip: str, parts: Iterable[Part]) -> bytes:
    """Return what ESP Web Tools reads of a board: its family, its parts, each by its number."""
    listed = [{"path": f"{n}.bin", "offset": part.offset} for n, part in enumerate(parts)]
    build = {"chipFamily": _FAMILIES[chip], "improv": False, "parts": listed}
    return json.dumps(
        {
            "name": f"ugw {gateway}",
            "version": software,
            # All of it is written anyway: what lies between is of no use to anybody.
            "new_install_prompt_erase": False,
            "builds": [build],
        },
        ensure_ascii=False,
    ).encode()


def page(entries: Iterable[Entry], script: str) -> bytes:
    """Return the page; `script` is where ESP Web Tools is."""
    rows = "".join(map(_row, entries))
    return f"""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ugw: write boards</title>
<style>{_STYLE}</style>
<script type="module" src="{escape(script)}"></script>
<h1>Write boards</h1>
<ol>
<li>Plug one board in, with a cable that carries data.
<li>Press the button of its gateway, choose the port, then <b>Install</b>.
<li>When it is done open <b>Logs &amp; Console</b> and press <b>Reset device</b>: the board works
once it has said <code>ugw READY</code>.
</ol>
<p class="warning">A board keeps the secrets of the gateway it was written as. Close this page,
and end <code>ugw flash web</code>, when you are done.</p>
<p>It does not answer? Hold <b>BOOT</b>, tap <b>RESET</b>, let <b>BOOT</b> go, and try again. No
port is offered? The cable carries power alone, or the driver of its USB chip (CP210x, CH340) is
missing. The port is busy? Another program has it open.</p>
<ul>
{rows}</ul>
</html>
""".encode()


def _row(entry: Entry) -> str:
    gateway = escape(entry.gateway, quote=True)
    facts = " · ".join(escape(each) for each in (entry.name, entry.site) if each)
    return f"""\
<li><strong>{gateway}</strong> <code>{escape(entry.short_code)}</code> <small>{facts}</small>
<esp-web-install-button manifest="{gateway}/manifest.json">
<button slot="activate">Write {gateway}</button>
<span slot="unsupported">This browser reaches no serial port. Chrome, Edge and Opera do.</span>
<span slot="not-allowed">A browser allows this for pages of this machine alone: open
it from the address that ugw printed.</span>
</esp-web-install-button>
"""
