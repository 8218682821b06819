"""What the pages say to type on a server, as root: with systemd, and with the program in /opt/hostess."""

from tests.system.booted import Booted
from tests.system.documentation.elsewhere import SERVER
from tests.system.installed import coded, fact

BEFORE = {
    "systemctl edit hostess": r"""printf '#!/bin/sh\nprintf "[Service]\\nEnvironment=BUILDKIT_HOST=none\\n" >"$1"\n' >/edit"""
    "; chmod +x /edit; export SYSTEMD_EDITOR=/edit",
    "rm -rf /opt/hostess": "cp -a /opt/hostess /opt/kept",
}
AFTER = {
    "systemctl edit hostess": "cd /etc/systemd/system && grep BUILDKIT_HOST=none hostess.service.d/override.conf"
    " && rm -r hostess.service.d && systemctl daemon-reload",
    "systemctl stop hostess": "! systemctl is-active hostess",
    "hostess setup --base-domain apps.example.com": "systemctl is-active hostess hostess-proxy hostess-proxy-https.socket",
    "journalctl -u hostess": "systemctl is-active hostess",
    "/opt/hostess/own/bin/hostess setup --base-domain apps.example.com": "readlink /usr/local/bin/hostess | grep own",
    "/opt/hostess/0.1.0/bin/hostess setup": "! readlink /usr/local/bin/hostess | grep own && rm -r /opt/hostess/own",
    "rm -rf /opt/hostess": "! test -e /opt/hostess && mv /opt/kept /opt/hostess",
}


def type_all(server: Booted) -> None:
    """Type them; each has to end with 0, and has done what its page says. What is there at the end is what was there before."""
    version = fact(server, "daemon", "version")
    for command in SERVER:
        line = command.replace("WHEEL", "/source").replace("/0.1.0/", f"/{version}/")
        if "systemctl edit" in line:  # on a terminal alone
            line = f"script -qec '{line}' /dev/null"
        before, after = BEFORE.get(command, "true"), AFTER.get(command, "true")
        code, said = coded(
            server, f"export DOCKER_HOST=unix:///engine.sock; {before}; {{ {line}; }} </dev/null && {{ {after}; }}"
        )
        assert code == 0, f"{command}: {said[-2000:]}"
