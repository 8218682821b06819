"""Two real authorities, of which the first is down."""

from pathlib import Path

from hostess.adapters.acme.authority import AcmeAuthority
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.names import covered
from hostess.domain.ports import Authority
from tests.integration.certificates.ordering import DAY, MINUTE, a_bench
from tests.pebble import authority, name_server

SHOP = "shop.example.org"
BELIEVING = {"PEBBLE_VA_ALWAYS_VALID": "1", "PEBBLE_WFE_NONCEREJECT": "10"}


async def test_the_second_one_issues_while_the_first_is_down(tmp_path: Path) -> None:
    """With the first authority down the second issues within minutes; when it is back, the first is the one for new hosts."""
    with (
        name_server() as names,
        authority(tmp_path / "first", names, environment=BELIEVING) as first,
        authority(tmp_path / "second", names, environment=BELIEVING) as second,
    ):
        async with a_bench(tmp_path / "bench") as bench:
            clients: list[Authority] = [
                AcmeAuthority(each.directory, each.folder / "accounts", SystemClock(), ca_file=each.ca_file)
                for each in (first, second)
            ]
            bench.authorities = clients
            bench.wire()
            # What a real authority issues is not valid before the moment at which it does.
            bench.clock.advance((DAY / 24).total_seconds())
            first.stop()
            await bench.route(SHOP)
            await bench.after(4 * MINUTE, MINUTE)
            shown = await bench.shown(SHOP)
            assert shown is not None
            assert shown.authority == second.directory
            assert covered(shown.names, SHOP)

            first.start()
            await bench.route("new.example.net")
            await bench.look()
            shown = await bench.shown("new.example.net")
            assert shown is not None
            assert shown.authority == first.directory
