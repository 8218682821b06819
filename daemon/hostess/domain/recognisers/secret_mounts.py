"""What a Dockerfile wants to be handed while it is built: secrets, and an SSH agent."""

from collections.abc import Collection

from hostess.domain.problem import Problem
from hostess.domain.registries import instructions

_TARGETS = ("target", "dst", "destination")


def wants_secrets(dockerfile: str, path: str, named: Collection[str], service: str) -> bool:
    """Return whether a Dockerfile mounts secrets; *named* are the ids that it may have, by `build.secrets` of *service*.

    Problem "build-secret-unnamed" for one that is not named, unless its mount says `required=false`; "no-ssh-agent" for `type=ssh`.
    Ids that depend on variables are left to the build.
    """
    mounts = _mounts(dockerfile)
    if any(mount.get("type") == "ssh" for mount in mounts):
        raise Problem(
            "no-ssh-agent",
            f"{path} mounts an SSH agent (`RUN --mount=type=ssh`), and builds are handed none",
            remedy="fetch with a token that build.secrets names, commit private packages, or begin with a private image that has "
            "them, after `hostess registry login`",
        )
    found = [mount for mount in mounts if mount.get("type") == "secret"]
    wanted = dict.fromkeys(_id(mount) for mount in found if mount.get("required", "true").lower() not in {"false", "0"})
    unnamed = [each for each in wanted if each and "$" not in each and each not in named]
    if unnamed:
        names = ", ".join(unnamed)
        raise Problem(
            "build-secret-unnamed",
            f"{path} mounts {'secrets' if len(unnamed) > 1 else 'a secret'} that build.secrets of {service} does not name: {names}",
            remedy=f"write `secrets: [{names}]` below the build of {service} in hostess.yml (`{unnamed[0]}: NAME` where the secret is "
            "called NAME), or required=false at a mount that the build can do without",
        )
    return bool(found)


def _mounts(dockerfile: str) -> list[dict[str, str]]:
    found = []
    for words in instructions(dockerfile):
        if words[0].upper() != "RUN":
            continue
        for word in words[1:]:
            if not word.startswith("--"):
                break  # flags come first; what follows is the command's own
            flag, _, value = word.partition("=")
            if flag == "--mount":
                pairs = (part.partition("=") for part in value.split(","))
                found.append({key.strip().lower(): text if equals else "true" for key, equals, text in pairs})
    return found


def _id(mount: dict[str, str]) -> str:
    """Return the id of a secret: where it says none, it is the last step of the path at which it is mounted."""
    target = next((mount[key] for key in _TARGETS if key in mount), "")
    return mount.get("id") or target.rpartition("/")[2]
