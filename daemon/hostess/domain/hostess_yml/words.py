"""The closed sets of words that only hostess.yml uses."""

from enum import StrEnum


class Preset(StrEnum):
    """The named sizes (spec section 9.1)."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    XLARGE = "xlarge"


class Switch(StrEnum):
    """On or off."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class Logs(StrEnum):
    """How lines of output are read."""

    STRUCTURED = "structured"
    PLAIN = "plain"


class Retention(StrEnum):
    """Whether data outlives its deployment."""

    PERMANENT = "permanent"
    EPHEMERAL = "ephemeral"


class Provider(StrEnum):
    """Where a linked repository lives."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET = "bitbucket"


class PoolMode(StrEnum):
    """How the pooler shares connections."""

    TRANSACTION = "transaction"
    SESSION = "session"


class Eviction(StrEnum):
    """What Redis drops when memory is full."""

    NOEVICTION = "noeviction"
    ALLKEYS_LRU = "allkeys-lru"
    ALLKEYS_LFU = "allkeys-lfu"
    VOLATILE_LRU = "volatile-lru"
    VOLATILE_LFU = "volatile-lfu"
    ALLKEYS_RANDOM = "allkeys-random"
    VOLATILE_RANDOM = "volatile-random"
    VOLATILE_TTL = "volatile-ttl"


class PerService(StrEnum):
    """The one word that `databases` can be."""

    PER_SERVICE = "per_service"
