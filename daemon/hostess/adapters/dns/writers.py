"""Who writes records for dns-01, by what the settings say."""

from hostess.adapters.dns.writer_command import CommandDnsWriter
from hostess.adapters.dns.writer_rfc2136 import UpdateDnsWriter
from hostess.domain.ports import Clock, DnsWriter, NameServers
from hostess.domain.settings import DnsSettings


def dns_writer_of(settings: DnsSettings, servers: NameServers, clock: Clock) -> DnsWriter | None:
    """Return the writer of `acme.dns.provider`; None where there is none."""
    match settings.provider:
        case "command" if settings.command is not None:
            return CommandDnsWriter(settings.command, settings.propagation_timeout)
        case "rfc2136" if settings.server is not None:
            return UpdateDnsWriter(settings, settings.server, servers, clock)
    return None
