"""How others come to this host: DNS of the base domain, the host's firewall, sshd."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from hostess.cli.checks.finding import Finding, said, text_of
from hostess.domain.installation.parts import SSHD

if TYPE_CHECKING:
    from hostess.domain.settings import Settings

NAME = "hostess-doctor"
SSHD_SETTINGS = Path("/etc/ssh/sshd_config")
SSHD_RUNS = Path("/run/sshd")  # systemd makes it when it starts sshd, which does not even check its settings without it
SSHD_SOCKET = "ssh.socket"
SSHD_TOPIC = "git over SSH"
_INCLUDE_IT = f"sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' {SSHD_SETTINGS} && hostess setup"


def dns(settings: "Settings") -> Iterator[Finding]:
    """Look where hosts below the base domain lead."""
    domain = settings.base_domain
    if domain == "localhost" or domain.endswith(".localhost"):
        remedy = 'set base_domain = "apps.example.com" in /etc/hostess/config.toml, then systemctl restart hostess'
        yield Finding("warn", "DNS", f"base_domain is {domain}: apps are reached on this host alone", remedy)
        return
    from hostess.adapters.addresses_system import own_addresses

    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(f"{NAME}.{domain}", 80, type=socket.SOCK_STREAM)}
    except OSError as error:
        found, fault = set(), error.strerror or str(error)
    else:
        fault = ""
    own = tuple(map(str, settings.public_address)) or own_addresses()
    yield leads_here(domain, found, own, fault)


def leads_here(domain: str, found: set[str], own: tuple[str, ...], fault: str = "") -> Finding:
    """Return whether *found*, the addresses of hosts below *domain*, are this host's *own*.

    The own addresses of a host behind address translation are private; only its operator can tell then.
    """
    public = [address for address in own if ip_address(address).is_global]
    kinds = [f"{'AAAA' if ':' in address else 'A'} {address}" for address in public] or ["A with this host's address"]
    record = f"make at your DNS provider: *.{domain} {' and '.join(kinds)}"
    if not found:
        return Finding("warn", "DNS", f"*.{domain} leads nowhere ({fault})", record)
    where = ", ".join(sorted(found))
    if found & set(own):
        strange = sorted(found - set(own))
        if strange and public:
            return Finding("warn", "DNS", f"*.{domain} leads here, and to {', '.join(strange)}, too", record)
        return Finding("ok", "DNS", f"*.{domain} leads here ({where})")
    if not public:
        return Finding(
            "ok", "DNS", f"*.{domain} leads to {where}; this host has private addresses and cannot tell more"
        )
    return Finding("warn", "DNS", f"*.{domain} leads to {where}, and this host is {', '.join(public)}", record)


def firewall(settings: "Settings") -> Iterator[Finding]:
    """Look whether the host's firewall lets requests in. What a provider has before the host cannot be seen from here."""
    ports = [each.port for each in (settings.proxy.http, settings.proxy.https) if each is not None]
    if os.geteuid() != 0 or not ports:
        return
    if shutil.which("ufw") and (rules := said("ufw", "status")) and "Status: active" in rules:
        yield from _closed(closed_by_ufw(rules, ports), "ufw", "ufw allow {0}/tcp")
        return
    if shutil.which("firewall-cmd") and (said("firewall-cmd", "--state") or "").strip() == "running":
        opened = f"{said('firewall-cmd', '--list-ports')} {said('firewall-cmd', '--list-services')} ".split()
        names = {80: "http", 443: "https"}
        closed = [port for port in ports if not {f"{port}/tcp", names.get(port)} & set(opened)]
        yield from _closed(closed, "firewalld", "firewall-cmd --permanent {1} && firewall-cmd --reload")
        return
    rules = said("iptables", "-S", "INPUT") or ""
    yield from _closed(
        closed_by_iptables(rules, ports), "iptables", "iptables -I INPUT -p tcp -m multiport --dports {0} -j ACCEPT"
    )


def closed_by_ufw(rules: str, ports: list[int]) -> list[int]:
    """Return the ports that `ufw status` does not let in, be it by number or by the name of a known application."""
    names = {
        80: "WWW|WWW Full|Nginx HTTP|Nginx Full|Apache|Apache Full",
        443: "WWW Secure|WWW Full|Nginx Full|Apache Full",
    }
    allowed = r"^({0}|(\d+,)*{0}(,\d+)*/tcp|{1})\s+(ALLOW|LIMIT)"
    return [port for port in ports if not re.search(allowed.format(port, names.get(port, port)), rules, re.MULTILINE)]


def closed_by_iptables(rules: str, ports: list[int]) -> list[int]:
    """Return the ports that a chain which lets nothing in by itself (`iptables -S INPUT`) has no rule for."""
    if not re.search(r"^-P INPUT (DROP|REJECT)|^-A INPUT -j (DROP|REJECT)", rules, re.MULTILINE):
        return []
    return [port for port in ports if not re.search(rf"--dports? (\S*,)?{port}\b.*-j ACCEPT", rules)]


def _closed(ports: list[int], who: str, command: str) -> Iterator[Finding]:
    if ports:
        listed, added = ",".join(map(str, ports)), " ".join(f"--add-port={port}/tcp" for port in ports)
        what = f"{who} keeps requests from port{'s' if ports[1:] else ''} {' and '.join(map(str, ports))}"
        yield Finding("warn", "firewall", what, command.format(listed, added))
    else:
        what = "nothing on this host keeps requests out; a provider's firewall cannot be seen from here"
        yield Finding("ok", "firewall", what)


def sshd(_: "Settings") -> Iterator[Finding]:
    """Look whether sshd asks the daemon whose a key is, and trusts the program that asks: the way to it must be root's alone."""
    if absent := _no_sshd():
        yield absent
        return
    if os.geteuid() != 0:
        return  # sshd shows its settings to root alone
    shown = said("sshd", "-T", "-C", "user=hostess,host=doctor,addr=192.0.2.1")
    if shown is None:
        yield Finding("fail", SSHD_TOPIC, "sshd refuses its own settings", "sshd -t")
        return
    command = re.search(r"^authorizedkeyscommand (\S*hostess-ssh)\b", shown, re.MULTILINE)
    if command is None:
        yield _asks_nobody()
    elif who := kept_out(shown):
        what = f"sshd lets the user hostess not in ({who}): pushes come by HTTP alone"
        remedy = f"let it in by {who.partition(' ')[0]} in {SSHD_SETTINGS}, then systemctl reload ssh"
        yield Finding("warn", SSHD_TOPIC, what, remedy)
    else:
        yield _trusted(Path(command[1]))


def _trusted(program: Path) -> Finding:
    if not program.exists():
        return Finding("fail", SSHD_TOPIC, f"{program} is not there", "hostess setup")
    for place in open_to_others(program):
        remedy = f"chown root:root {place} && chmod go-w {place}"
        return Finding("fail", SSHD_TOPIC, f"sshd does not trust {program}: others may write {place}", remedy)
    return Finding("ok", SSHD_TOPIC, f"sshd asks the daemon, by {program}")


def _no_sshd() -> Finding | None:
    """Return what to say where no sshd can be asked: there is none, or its socket starts it with the first connection (Ubuntu 24.04)."""
    if SSHD_SETTINGS.exists() and SSHD_RUNS.is_dir():
        return None
    if not (SSHD_SETTINGS.exists() and said("systemctl", "is-active", SSHD_SOCKET)):
        return Finding("ok", SSHD_TOPIC, "no sshd runs on this host: pushes come by HTTP")
    if "hostess-ssh keys" not in text_of(Path(SSHD)):
        return _asks_nobody()
    return Finding("ok", SSHD_TOPIC, f"sshd will ask the daemon: {SSHD_SOCKET} starts it with the next connection")


def _asks_nobody() -> Finding:
    """Return what to say where sshd does not heed our snippet: it is not there, not read, or comes after what says otherwise."""
    from hostess.adapters.installation.looking import reads_snippets

    what = "sshd does not ask the daemon: pushes come by HTTP alone"
    if not reads_snippets():
        what += f" ({SSHD_SETTINGS} does not include {SSHD_SETTINGS}.d/*.conf)"
    elif text_of(Path(SSHD)):
        what += f" ({SSHD_SETTINGS} says otherwise before it includes {SSHD_SETTINGS}.d)"
    else:
        return Finding("warn", SSHD_TOPIC, what, "hostess setup")
    return Finding("warn", SSHD_TOPIC, what, _INCLUDE_IT)


def kept_out(shown: str, user: str = "hostess") -> str:
    """Return the setting, with what it says, by which sshd (`sshd -T`) keeps the user out; "" for none.

    Its group is of the same name. What a setting says of where somebody comes from is left out.
    """
    said_by: dict[str, list[str]] = {}
    for line in shown.splitlines():
        name, *words = line.split()
        said_by.setdefault(name, []).extend(words)
    for name in ("DenyUsers", "AllowUsers", "DenyGroups", "AllowGroups"):
        patterns = said_by.get(name.lower(), [])
        matches = any(fnmatchcase(user, pattern.partition("@")[0]) for pattern in patterns)
        if patterns and matches == name.startswith("Deny"):
            return f"{name} {' '.join(patterns)}"
    return ""


def open_to_others(program: Path) -> list[Path]:
    """Return the folders on the way to a program, and the program, that somebody else than root may write (sshd_config(5))."""
    real = program.resolve()
    return [place for place in (real, *real.parents) if place.stat().st_uid != 0 or place.stat().st_mode & 0o022]
