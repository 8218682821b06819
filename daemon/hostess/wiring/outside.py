"""What is outside of the daemon, as its services see it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hostess.adapters.cgroup_files import CgroupFiles
from hostess.domain.ports import ChallengeProbe, Clock, Engine, Firewall, Meter, NameServers, Prober, Router
from hostess.domain.ports.usage import UsageMeter


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything outside that a test may bring its own of. *public_port* is where apps are reached by a scheme, 0 for nowhere."""

    engine: Engine
    router: Router
    prober: Prober
    name_servers: NameServers
    challenge_probe: ChallengeProbe
    meter: Meter
    firewall: Firewall
    clock: Clock
    public_port: Callable[[str], int]
    usage: UsageMeter = field(default_factory=CgroupFiles)
