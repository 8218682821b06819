"""Which subnets environments can have. Pure, but for what the host says of itself."""

import ipaddress

from hostess.domain.ports import Meter
from hostess.domain.settings import Settings


def free_subnets(settings: Settings, meter: Meter) -> list[str]:
    """Return the subnets of the pool that the host itself has no address or route in."""
    taken = [ipaddress.ip_network(subnet) for subnet in meter.subnets()]
    return [
        subnet for subnet in settings.engine.pool() if not any(ipaddress.ip_network(subnet).overlaps(t) for t in taken)
    ]
