"""A wildcard, by a real authority that asks the real name server into which Hostess wrote."""

from pathlib import Path

from hostess.adapters.acme.authority import AcmeAuthority
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.dns.name_servers import DnsNameServers
from hostess.adapters.dns.writer_rfc2136 import UpdateDnsWriter
from hostess.domain.settings import DnsSettings
from hostess.domain.settings_kinds import Address
from tests.integration.certificates.ordering import DAY, a_bench
from tests.name_server import KEY, KEY_NAME, name_server
from tests.pebble import Names, authority

RECORD = "_acme-challenge.apps.example.org"


async def test_a_wildcard_by_a_dynamic_update(tmp_path: Path) -> None:
    """Hosts below the base domain share a wildcard that was proven by a dynamic update (RFC 2136), whose record is gone afterwards."""
    (tmp_path / "knot").mkdir()
    (tmp_path / "dns.key").write_text(KEY)
    with name_server(tmp_path / "knot", {"apps.example.org": "a A 192.0.2.1\n"}) as server:
        given = {
            "provider": "rfc2136",
            "server": server.address,
            "key_name": KEY_NAME,
            "key_file": tmp_path / "dns.key",
        }
        where = Address(server.address, server.port)
        asked = DnsNameServers([(server.address, server.port)])
        writer = UpdateDnsWriter(DnsSettings.model_validate(given), where, asked, SystemClock(), server.port)
        with authority(tmp_path / "pebble", Names(f"{server.address}:{server.port}", "")) as pebble:
            async with a_bench(tmp_path / "bench", writer=writer) as bench:
                accounts = tmp_path / "accounts"
                client = AcmeAuthority(pebble.directory, accounts, SystemClock(), ca_file=pebble.ca_file)
                bench.authorities = [client]
                bench.wire()
                # What a real authority issues is not valid before the moment at which it does.
                bench.clock.advance((DAY / 24).total_seconds())
                await bench.route("a.apps.example.org", "b.apps.example.org")
                await bench.look()

                shown = [await bench.shown(f"{host}.apps.example.org") for host in "ab"]
                assert [each and each.names for each in shown] == [("*.apps.example.org",)] * 2, await bench.standing(
                    "a.apps.example.org"
                )
                assert server.values(RECORD, "TXT") == []
                await client.close()
