"""Whether a host could have a certificate, asked by command."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api.stage import ADDRESS, Stage, opened

RECORDS = {
    "A old.example.com": ("198.51.100.1",),
    "A stale.example.com": (ADDRESS,),
    "AAAA stale.example.com": ("2001:db8::9",),
    "CAA example.com": ('0 issue "letsencrypt.org"',),
    "A shop.example.org": (ADDRESS,),
    "CAA example.org": ('0 issue "pki.goog"',),
}
FILE = """
services:
  web:
    type: custom
    image: plain:1
    ports: [8000]
    domains: [old.example.com, stale.example.com]
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Open a daemon with records in its DNS."""
    async with opened(tmp_path, records=RECORDS) as found:
        yield found


async def test_what_is_in_the_way_is_told(stage: Stage) -> None:
    """`hostess tls check` prints verdict, sentences and records, and ends with 1 where the host is not ready."""
    ran = await stage.hostess("tls", "check", "stale.example.com")

    assert ran.code == 1
    assert ran.out.splitlines() == [
        "stale.example.com is not ready: no certificate can be issued for it yet",
        (
            "  - stale.example.com leads here by its A record, but its AAAA record leads to 2001:db8::9: authorities, and most browsers, "
            "take IPv6 first"
        ),
        "in DNS:",
        "  remove  stale.example.com  AAAA  2001:db8::9",
    ]


async def test_it_is_told_to_programs_too(stage: Stage) -> None:
    """As JSON there are codes, whether each finding hinders, and the records in parts."""
    ran = await stage.hostess("tls", "check", "shop.example.org", "-o", "json")

    assert ran.code == 1
    assert ran.json["ready"] is False
    assert [(each["code"], each["hinders"]) for each in ran.json["findings"]] == [("caa", True)]
    assert ran.json["records"] == [
        {"type": "CAA", "name": "example.org", "value": '0 issue "letsencrypt.org"', "remove": False}
    ]


async def test_a_name_that_cannot_be_is_refused(stage: Stage) -> None:
    """What is no host name is told to be none."""
    ran = await stage.hostess("tls", "check", "https://shop.example.com")

    assert "is no host name" in ran.err
    assert ran.code == 2
