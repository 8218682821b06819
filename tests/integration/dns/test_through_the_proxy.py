"""A host that leads here is recognised through the real proxy, as the daemon is composed."""

from pathlib import Path

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.dns.challenge_probe import HttpChallengeProbe
from hostess.adapters.prober_sockets import SocketProber
from hostess.adapters.proxy.router_socket import SocketRouter
from hostess.adapters.vault_files import FileVault
from hostess.composition import Outside, compose
from hostess.domain.settings import Settings
from hostess.main import make_folders
from tests.fakes.engine import FakeEngine
from tests.fakes.firewall import FakeFirewall
from tests.fakes.records import FakeNameServers
from tests.integration.proxy.processes import a_proxy
from tests.name_server import loopback
from tests.new_journal import opened_journal
from tests.world import FixedMeter

HOST = "shop.example.com"


async def test_our_own_proxy_is_recognised(tmp_path: Path) -> None:
    """The proxy gives our answer for a host that nothing is routed for yet, so the host is ready; without the proxy it is not."""
    make_folders(tmp_path)
    address = loopback()
    settings = Settings.model_validate(
        {"data_dir": tmp_path, "acme": {"directory": "https://ca.example.com/directory"}}
    )
    journal, engine, router = (
        await opened_journal(tmp_path / "hostess.db"),
        FakeEngine(),
        SocketRouter(tmp_path / "run"),
    )
    async with a_proxy(tmp_path, HTTP=f"{address}:0", WORKERS="1") as proxy:
        outside = Outside(
            engine,
            router,
            SocketProber(),
            FakeNameServers({f"A {HOST}": (address,)}),
            HttpChallengeProbe(int(proxy.state.http.rpartition(":")[2])),
            FixedMeter(),
            FakeFirewall(),
            SystemClock(),
            router.public_port,
        )
        world = await compose(settings, journal, FileVault(tmp_path / "key"), outside)

        [there] = await world.preflights.check([HOST])
        assert await proxy.stop() == 0
        [gone] = await world.preflights.check([HOST])

    assert (there.ready, gone.ready) == (True, False)
    await journal.close()
    await engine.close()
