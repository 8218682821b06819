"""The host's firewall, spoken to by `iptables` and `ip`: leads what is sent to virtual addresses to the proxy, and keeps stacks apart.

No machine has a virtual address: routes of the kind "local" make the host answer for them on each network, a chain of our own in
the table nat sends connections on (DNAT) to the proxy's listener, and one in the table filter lets them in, whatever the
host's own rules are, and lets nothing else come near that listener. Rules hold for callers of the same network only.

Networks are apart by the engine's rules; but while it makes or removes a network, of anybody's, it puts rules that accept before
those that part, and takes these away for a moment: connections from one network to another come through. So a chain of our own in
the table mangle, which the engine leaves alone and the kernel asks first, drops what goes from one of our networks to another.
"""

import asyncio
import json
import logging
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import monotonic

from hostess.domain.routing.inside import virtual_range

AGAIN_SECONDS = 4.0
"""How long what was done is taken to be there still; less than between two looks of the timer, or every other one would be idle."""
WHOLE_SECONDS = 50.0
"""How long a look is at the jumps alone, which whoever flushes tables takes away, too (`firewall-cmd --reload`); then all is put anew."""
WITHIN_SECONDS = 20.0
WAIT = ("-w", "10")  # for the lock that iptables' programs share

LEADING = (("nat", "PREROUTING"), ("filter", "INPUT"))
PARTING = (("mangle", "FORWARD"),)
ENGINE_CHAIN = "DOCKER"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

_RANGE = re.compile(r"-d (\S+/\d+) -p tcp -j DNAT")
_LISTENER = re.compile(r"--to-destination ([0-9.]+):")

log = logging.getLogger(__name__)

Put = Callable[[str, str], None]
"""Makes a text the content of chains, whose name comes first."""


class IptablesFirewall:
    """Implements `ports.Firewall`. *facts* is the proxy's `proxy.json`, which tells its listener for the inside.

    Unless it stands *beside_engine*, on the same host, no container's connection passes it, and nothing is led.
    """

    def __init__(self, facts: Path, pools: Sequence[str] = (), *, beside_engine: bool = True) -> None:
        self._beside_engine = beside_engine
        self._facts = facts
        self._pools = pools
        self._turn = asyncio.Lock()
        self._done: dict[Put, tuple[str, float, float]] = {}
        self._told: dict[Put, str] = {}
        self._instance = ""

    async def lead(self, instance: str, networks: Sequence[str]) -> bool:
        """Lead the virtual addresses of these networks; False, told once in the log, where that cannot be done."""
        listener = self._listener()
        if not listener or not self._beside_engine:
            return False
        wanted = rules(chain_of(instance), networks, listener)
        return await self._put(
            lead, instance, wanted, "services are called at their containers, not at virtual addresses"
        )

    async def keep_apart(self, instance: str, networks: Sequence[str]) -> bool:
        """Drop what goes from one of these networks to others of the pools; False, told once in the log, where that cannot be done."""
        if not self._beside_engine:
            return False
        wanted = parting_rules(chain_of(instance), networks, self._pools)
        return await self._put(part, instance, wanted, "only the engine keeps stacks apart")

    async def _put(self, put: Put, instance: str, wanted: str, otherwise: str) -> bool:
        async with self._turn:
            done, at, seen = self._done.get(put, ("", 0.0, 0.0))
            if wanted == done and monotonic() - seen < AGAIN_SECONDS:
                return True
            self._instance = instance
            try:
                is_recent = wanted == done and monotonic() - at < WHOLE_SECONDS
                if is_recent and await asyncio.to_thread(_stands, chain_of(instance), _JUMPS[put]):
                    self._done[put] = wanted, at, monotonic()
                    return True
                await asyncio.to_thread(put, chain_of(instance), wanted)
            except (OSError, subprocess.SubprocessError) as error:
                self._tell(put, error, otherwise)
                return False
            self._done[put] = wanted, monotonic(), monotonic()
            self._told.pop(put, None)
            return True

    async def clear(self) -> None:
        """Remove rules and routes."""
        async with self._turn:
            if self._instance:
                await asyncio.to_thread(clear, self._instance)
            self._done = {}

    def _listener(self) -> str:
        try:
            return str(json.loads(self._facts.read_text(encoding="utf-8")).get("inside", ""))
        except (OSError, ValueError):
            return ""

    def _tell(self, put: Put, error: Exception, otherwise: str) -> None:
        said = getattr(error, "stderr", None) or str(error)
        if said != self._told.get(put):
            self._told[put] = said
            log.warning("%s: %s", otherwise, said.strip())


def chain_of(instance: str) -> str:
    """Return the name of an installation's chains."""
    return f"HOSTESS-{instance}"


def rules(chain: str, networks: Iterable[str], listener: str) -> str:
    """Return what iptables-restore makes the content of the two chains, in one step each."""
    address, _, port = listener.rpartition(":")
    nat, guard = [], []
    for network in sorted(networks):
        nat.append(f"-A {chain} -s {network} -d {virtual_range(network)} -p tcp -j DNAT --to-destination {listener}")
        guard.append(
            f"-A {chain} -s {network} -d {address} -p tcp --dport {port} -m conntrack --ctstate DNAT -j ACCEPT"
        )
        # A caller of another network, and what is no TCP: an answer at once instead of a long silence.
        guard.append(f"-A {chain} -d {virtual_range(network)} -j REJECT")
    guard.append(f"-A {chain} -d {address} -j REJECT")
    parts = ["*nat", f":{chain} - [0:0]", *nat, "COMMIT", "*filter", f":{chain} - [0:0]", *guard, "COMMIT"]
    return "\n".join([*parts, ""])


def parting_rules(chain: str, networks: Iterable[str], pools: Sequence[str]) -> str:
    """Return the same for the chain that keeps networks apart. Whatever goes out of none of them is left alone."""
    parts = ["*mangle", f":{chain} - [0:0]"]
    for network in sorted(networks):
        # Within a network packets come by here where the host shows bridged ones to its firewall.
        parts.append(f"-A {chain} -s {network} -d {network} -j RETURN")
        parts += [f"-A {chain} -s {network} -d {pool} -j DROP" for pool in pools]
    return "\n".join([*parts, "COMMIT", ""])


def routes(text: str) -> set[str]:
    """Return the local routes (CIDR) that go with rules, by what they lead and where to."""
    return {*_RANGE.findall(text), *(f"{address}/32" for address in _LISTENER.findall(text))}


def lead(chain: str, wanted: str) -> None:
    """Make *wanted* (of `rules`) the content of the chains; OSError or SubprocessError when that cannot be done."""
    before = routes(_said("iptables", *WAIT, "-t", "nat", "-S", chain))
    now = routes(wanted)
    _forget(before - now)
    _run("ip", "-batch", "-", text="".join(f"route replace local {each} dev lo\n" for each in sorted(now)))
    _fill(chain, wanted, LEADING)


def part(chain: str, wanted: str) -> None:
    """Make *wanted* (of `parting_rules`) the content of the chain; the same errors."""
    _fill(chain, wanted, PARTING)


_JUMPS: dict[Put, Sequence[tuple[str, str]]] = {lead: LEADING, part: PARTING}


def _stands(chain: str, jumps: Sequence[tuple[str, str]]) -> bool:
    """Whether each jump to the chain is there, and in time."""
    return not any(is_late(chain, _order(table, place)) for table, place in jumps)


def _order(table: str, place: str) -> list[str]:
    return [line.split()[-1] for line in _run("iptables", *WAIT, "-t", table, "-S", place).splitlines()]


def _fill(chain: str, wanted: str, jumps: Sequence[tuple[str, str]]) -> None:
    _run("iptables-restore", *WAIT, "--noflush", text=wanted)
    for table, place in jumps:
        if is_late(chain, _order(table, place)):
            _said("iptables", *WAIT, "-t", table, "-D", place, "-j", chain)
            _run("iptables", *WAIT, "-t", table, "-I", place, "-j", chain)


def is_late(chain: str, order: Sequence[str]) -> bool:
    """Whether the jump to *chain* is not among the targets of a place, or comes after the engine's, which would take callers away."""
    return chain not in order or ENGINE_CHAIN in order[: order.index(chain)]


def clear(instance: str) -> None:
    """Remove the chains of an installation, and the routes that go with them; what is not there is no error."""
    chain = chain_of(instance)
    _forget(routes(_said("iptables", *WAIT, "-t", "nat", "-S", chain)))
    for table, place in (*LEADING, *PARTING):
        for action in (("-D", place, "-j", chain), ("-F", chain), ("-X", chain)):
            _said("iptables", *WAIT, "-t", table, *action)


def _forget(gone: Iterable[str]) -> None:
    for each in gone:
        _said("ip", "route", "del", "local", each, "dev", "lo")


def _run(*words: str, text: str = "") -> str:
    """Run a program of the host and return what it prints; CalledProcessError, with its words, when it fails."""
    return subprocess.run(
        words, input=text, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=True, env=ENVIRONMENT
    ).stdout


def _said(*words: str) -> str:
    """Do the same; "" when it fails."""
    try:
        return _run(*words)
    except (OSError, subprocess.SubprocessError):
        return ""
