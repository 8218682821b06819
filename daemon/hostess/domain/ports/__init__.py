"""What the services need from outside, in our words. Adapters implement these; tests/contract holds them to it.

Every method that waits for something outside is a coroutine. Adapters turn their library's errors into Problems.
"""

from hostess.domain.ports.authority import Authority, AuthorityError
from hostess.domain.ports.backups import Artefacts, BackupRecords, Shell
from hostess.domain.ports.certificates import CertificateStore
from hostess.domain.ports.challenge_probe import ChallengeProbe, Heard
from hostess.domain.ports.engine import (
    BuildOrder,
    BuildSecrets,
    Container,
    ContainerEvent,
    ContainerSpec,
    Engine,
    EngineFacts,
    Image,
    LogLine,
)
from hostess.domain.ports.heartbeat import Heart
from hostess.domain.ports.host import (
    Answer,
    Clock,
    FileSystem,
    Firewall,
    Meter,
    PastLogFiles,
    Prober,
    Redactor,
    Transcripts,
    Vault,
)
from hostess.domain.ports.internal_authority import InternalAuthority
from hostess.domain.ports.issuances import IssuanceJournal, OrderFiles
from hostess.domain.ports.journal import Journal
from hostess.domain.ports.name_servers import DnsWriter, NameServers
from hostess.domain.ports.notices import NoticeChannel
from hostess.domain.ports.proxy import (
    OUTDATED,
    AlpnChallenge,
    Called,
    CanaryTargets,
    Challenges,
    FailedTarget,
    InsideService,
    Maintenance,
    OpenDatabase,
    Pause,
    Router,
    ServedCertificate,
    TargetLoad,
    Upstreams,
    Wake,
)
from hostess.domain.ports.railpack import Railpack, SourceOrder
from hostess.domain.ports.repositories import NewCommit, Repositories, TreeLimits
from hostess.domain.ports.sites import SiteLimits, Sites
from hostess.domain.ports.terminal import Terminal

__all__ = [
    "OUTDATED",
    "AlpnChallenge",
    "Answer",
    "Artefacts",
    "Authority",
    "AuthorityError",
    "BackupRecords",
    "BuildOrder",
    "BuildSecrets",
    "Called",
    "CanaryTargets",
    "CertificateStore",
    "ChallengeProbe",
    "Challenges",
    "Clock",
    "Container",
    "ContainerEvent",
    "ContainerSpec",
    "DnsWriter",
    "Engine",
    "EngineFacts",
    "FailedTarget",
    "FileSystem",
    "Firewall",
    "Heard",
    "Heart",
    "Image",
    "InsideService",
    "InternalAuthority",
    "IssuanceJournal",
    "Journal",
    "LogLine",
    "Maintenance",
    "Meter",
    "NameServers",
    "NewCommit",
    "NoticeChannel",
    "OpenDatabase",
    "OrderFiles",
    "PastLogFiles",
    "Pause",
    "Prober",
    "Railpack",
    "Redactor",
    "Repositories",
    "Router",
    "ServedCertificate",
    "Shell",
    "SiteLimits",
    "Sites",
    "SourceOrder",
    "TargetLoad",
    "Terminal",
    "Transcripts",
    "TreeLimits",
    "Upstreams",
    "Vault",
    "Wake",
]
