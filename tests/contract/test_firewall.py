"""The host's real firewall: what it leads where, what is put back, what is left behind."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hostess.adapters import firewall_iptables
from hostess.adapters.firewall_iptables import IptablesFirewall, chain_of, clear
from tests.side_by_side import own_number

pytestmark = pytest.mark.docker  # the engine's host has the firewall, and the right to change it

INSTANCE = "0123456789ab"
LISTENER = "198.19.99.1"
SHOP, BLOG = "198.19.90.0/24", "198.19.91.0/24"
NAME = f"ht-{os.getpid()}-apart"
POOL = f"10.98.{own_number()}.0/24"


@pytest.fixture
async def firewall(tmp_path: Path) -> AsyncIterator[IptablesFirewall]:
    """Give a firewall that knows a proxy's listener; nothing of it is left afterwards."""
    facts = tmp_path / "proxy.json"
    facts.write_text(json.dumps({"inside": f"{LISTENER}:7655"}))
    yield IptablesFirewall(facts, [POOL])
    clear(INSTANCE)


def said(*words: str) -> str:
    """Run a program of the host and return what it prints."""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def led() -> list[str]:
    """Return the networks that are led, by the rules in force."""
    lines = said("iptables", "-t", "nat", "-S", chain_of(INSTANCE)).splitlines()
    return [line.split()[3] for line in lines if "DNAT" in line]


def jumps() -> list[str]:
    """Return the rules of the host that lead to our chains."""
    both = said("iptables", "-t", "nat", "-S", "PREROUTING") + said("iptables", "-S", "INPUT")
    return [line for line in both.splitlines() if chain_of(INSTANCE) in line]


def local() -> set[str]:
    """Return the routes of ours that make this host answer."""
    routes = said("ip", "route", "show", "table", "local", "dev", "lo").splitlines()
    return {line.split()[1] for line in routes if " 198.19.9" in line}


async def test_exactly_these_networks_are_led(firewall: IptablesFirewall) -> None:
    """Rules and routes are those of the networks that are named, however often and after whichever others."""
    assert await firewall.lead(INSTANCE, [SHOP])
    assert await firewall.lead(INSTANCE, [SHOP, BLOG])
    assert await firewall.lead(INSTANCE, [BLOG])

    assert led() == [BLOG]
    assert local() == {"198.19.91.192/26", LISTENER}
    assert len(jumps()) == 2


async def test_a_new_daemon_takes_over(firewall: IptablesFirewall, tmp_path: Path) -> None:
    """A daemon that was started again finds what its forerunner led, and takes away what is led no more."""
    await firewall.lead(INSTANCE, [SHOP])

    await IptablesFirewall(tmp_path / "proxy.json").lead(INSTANCE, [BLOG])

    assert (led(), local()) == ([BLOG], {"198.19.91.192/26", LISTENER})
    assert len(jumps()) == 2


async def test_what_was_flushed_is_put_back(firewall: IptablesFirewall) -> None:
    """Rules that somebody flushed are there again after the next look that is due."""
    await firewall.lead(INSTANCE, [SHOP])
    said("iptables", "-t", "nat", "-D", "PREROUTING", "-j", chain_of(INSTANCE))
    said("iptables", "-t", "nat", "-F", chain_of(INSTANCE))
    firewall._done.clear()  # as when the next look is due

    await firewall.lead(INSTANCE, [SHOP])

    assert led() == [SHOP]
    assert len(jumps()) == 2


async def test_a_flush_is_seen_by_the_next_look(firewall: IptablesFirewall, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that is not yet due to put all anew looks at the jumps: where they are gone all is put back, where they are there nothing."""
    monkeypatch.setattr(firewall_iptables, "AGAIN_SECONDS", 0)
    await firewall.lead(INSTANCE, [SHOP])
    said("iptables", "-t", "nat", "-F", chain_of(INSTANCE))

    await firewall.lead(INSTANCE, [SHOP])
    assert led() == []  # a chain alone is emptied by nobody: that is left to a whole look
    said("iptables", "-t", "nat", "-D", "PREROUTING", "-j", chain_of(INSTANCE))
    await firewall.lead(INSTANCE, [SHOP])

    assert led() == [SHOP]
    assert len(jumps()) == 2


async def test_callers_are_led_before_the_engine_looks(firewall: IptablesFirewall) -> None:
    """A port that a container of somebody else publishes on this host never takes a caller away: our rules come first again."""
    await firewall.lead(INSTANCE, [SHOP])
    said("iptables", "-t", "nat", "-D", "PREROUTING", "-j", chain_of(INSTANCE))
    said("iptables", "-t", "nat", "-A", "PREROUTING", "-j", chain_of(INSTANCE))
    firewall._done.clear()  # as when the next look is due

    await firewall.lead(INSTANCE, [SHOP])

    order = [line.split()[-1] for line in said("iptables", "-t", "nat", "-S", "PREROUTING").splitlines()]
    assert order.index(chain_of(INSTANCE)) < order.index("DOCKER")
    assert len(jumps()) == 2


async def test_nothing_is_left(firewall: IptablesFirewall) -> None:
    """Clearing leaves no rule, no chain and no route; doing so twice is no error."""
    await firewall.lead(INSTANCE, [SHOP])
    await firewall.clear()
    await firewall.clear()

    assert (led(), jumps(), local()) == ([], [], set())
    assert chain_of(INSTANCE) not in said("iptables-save")


async def test_without_a_listener_nothing_is_led(tmp_path: Path) -> None:
    """Where the proxy does not wait for callers or does not run, or containers run on another host, nothing is changed."""
    facts = tmp_path / "proxy.json"
    assert not await IptablesFirewall(facts).lead(INSTANCE, [SHOP])
    facts.write_text(json.dumps({"inside": ""}))
    assert not await IptablesFirewall(facts).lead(INSTANCE, [SHOP])
    facts.write_text(json.dumps({"inside": f"{LISTENER}:7655"}))
    assert not await IptablesFirewall(facts, beside_engine=False).lead(INSTANCE, [SHOP])

    assert jumps() == []


async def test_a_host_that_cannot_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What the host's programs refuse is told once, in their words, and leads to no half of it."""
    (tmp_path / "proxy.json").write_text(json.dumps({"inside": "999.1.1.1:7655"}))
    firewall = IptablesFirewall(tmp_path / "proxy.json")

    assert [await firewall.lead(INSTANCE, [SHOP]) for _ in range(3)] == [False] * 3

    assert ["999.1.1.1" in record.getMessage() for record in caplog.records] == [True]
    assert jumps() == []
    clear(INSTANCE)
    said("ip", "route", "del", "local", "198.19.90.192/26", "dev", "lo")


async def test_what_can_be_done_makes_nothing_be_told_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That networks are kept apart as ever does not make each look tell again that nobody can be led."""
    (tmp_path / "proxy.json").write_text(json.dumps({"inside": "999.1.1.1:7655"}))
    firewall = IptablesFirewall(tmp_path / "proxy.json", [POOL])
    for _ in range(3):
        assert not await firewall.lead(INSTANCE, [SHOP])
        assert await firewall.keep_apart(INSTANCE, [SHOP])
        firewall._done.clear()

    await firewall.clear()
    said("ip", "route", "del", "local", "198.19.90.192/26", "dev", "lo")
    assert len(caplog.records) == 1


@pytest.fixture
def two_networks() -> Iterator[dict[str, str]]:
    """Give two networks of the pool, each with a server: network -> the server's address."""
    found = {}
    for number, subnet in enumerate(IPv4Network(POOL).subnets(prefixlen_diff=1)):
        name = f"{NAME}-{number}"
        said("docker", "network", "create", "--subnet", str(subnet), name)
        server = said("docker", "run", "-d", "--name", name, "--network", name, "hostess-test/echo:1").strip()
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        found[str(subnet)] = said("docker", "inspect", "-f", form, server).strip()
    yield found
    for number in range(2):
        said("docker", "rm", "-f", "-v", f"{NAME}-{number}")
        said("docker", "network", "rm", f"{NAME}-{number}")


async def test_nothing_passes_while_the_engine_is_busy(
    firewall: IptablesFirewall, two_networks: dict[str, str]
) -> None:
    """Of many connections from one network to the other none is made, also not while the engine makes and removes a third."""
    (_, here), (_, there) = two_networks.items()
    await asyncio.gather(*(until_answered(address) for address in (here, there)))
    assert await firewall.keep_apart(INSTANCE, list(two_networks))

    tries = [asyncio.create_task(asked(here, f"/fetch?url=http://{there}:8000/health")) for _ in range(80)]
    networks = 0
    while not all(each.done() for each in tries):
        await asyncio.to_thread(said, "docker", "network", "create", f"{NAME}-third")
        networks += bool(await asyncio.to_thread(said, "docker", "network", "rm", f"{NAME}-third"))

    assert networks > 1
    assert ["cannot connect" in await each for each in tries] == [True] * 80
    assert "ok" in await asked(here, f"/fetch?url=http://{here}:8000/health")


async def test_who_is_kept_apart(tmp_path: Path) -> None:
    """What goes out of no network of ours is left alone; clearing leaves nothing."""
    firewall = IptablesFirewall(tmp_path / "proxy.json", [POOL, "10.97.0.0/16"])
    assert await firewall.keep_apart(INSTANCE, [SHOP, BLOG])
    assert await firewall.keep_apart(INSTANCE, [BLOG])

    chain = said("iptables", "-t", "mangle", "-S", chain_of(INSTANCE)).splitlines()[1:]
    jump = said("iptables", "-t", "mangle", "-S", "FORWARD")
    await firewall.clear()

    assert [line.partition(" -s ")[2] for line in chain] == [
        f"{BLOG} -d {BLOG} -j RETURN",
        f"{BLOG} -d {POOL} -j DROP",
        f"{BLOG} -d 10.97.0.0/16 -j DROP",
    ]
    assert jump.count(chain_of(INSTANCE)) == 1
    assert chain_of(INSTANCE) not in said("iptables-save")


async def asked(address: str, path: str) -> str:
    """Ask a server that listens at port 8000; return all that it answers."""
    reader, writer = await asyncio.open_connection(address, 8000)
    writer.write(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def until_answered(address: str) -> None:
    """Wait until a server is up."""
    async with asyncio.timeout(25):
        while True:
            with suppress(OSError):
                await asked(address, "/health")
                return
            await asyncio.sleep(0.05)
