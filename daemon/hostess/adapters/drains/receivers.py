"""The drains that the settings name."""

import socket

from hostess.adapters.drains.http import HttpDrain
from hostess.adapters.drains.syslog import SyslogDatagrams, SyslogStream
from hostess.domain.drains import target
from hostess.domain.ports.drains import Drain
from hostess.domain.settings import LogSettings


def drains_of(settings: LogSettings) -> list[Drain]:
    """Return them; nothing is connected yet."""
    host, found = socket.gethostname(), list[Drain]()
    for url in settings.drains:
        to = target(url)
        if to.scheme in {"http", "https"}:
            found.append(HttpDrain(to, host, settings.drain_ca_file))
        elif to.scheme == "syslog+udp":
            found.append(SyslogDatagrams(to, host))
        else:
            found.append(SyslogStream(to, host, settings.drain_ca_file))
    return found
