"""What an installer reads who opens a bundle without having been told anything."""

from datetime import UTC, datetime
from typing import Final

from ugw_flash.bundle.contents import MATERIALS, SHEET, Contents

_TEXT: Final = """\
This folder makes gateways of ugw: {gateways}.
Made by {made_by} on {made:%Y-%m-%d}. It may be used until {expires:%Y-%m-%d}.

It has secrets in it. Keep it on an encrypted disk, hand it to nobody, delete it when all is done.

1. Put these files, as their makers publish them, into the folder {materials}:
{needed}
2. In this folder: see that everything is there, then make card after card, board after board:

   ugw flash doctor
   ugw flash verify .
   ugw flash batch {sheet}

3. Send sites.result.csv back to whoever gave you this folder.
"""


def readme(contents: Contents) -> str:
    """Return the text."""
    needed = "".join(
        f"   {each.name}\n      SHA-256 {each.sha256}\n" for each in contents.materials
    )
    return _TEXT.format(
        gateways=", ".join(contents.gateways),
        made_by=contents.made_by,
        made=datetime.fromtimestamp(contents.made_at_s, UTC),
        expires=datetime.fromtimestamp(contents.expires_s, UTC),
        materials=MATERIALS,
        sheet=SHEET,
        needed=needed or "   (none)\n",
    )
