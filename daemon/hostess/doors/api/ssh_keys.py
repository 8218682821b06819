"""Keys for git over SSH."""

from datetime import datetime

from pydantic import Field

from hostess.domain.ssh_keys import LONGEST, SshKey
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.services.tokens import Role


class SshKeyView(View):
    """A key's row. No *projects* means all."""

    id: str
    name: str
    kind: str
    fingerprint: str
    role: str
    projects: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None


class SshKeyList(View):
    """Keys, the oldest first."""

    items: tuple[SshKeyView, ...]


class NewSshKey(Given):
    """A key to be taken; *key* is the line of a `.pub` file."""

    name: str = Field(max_length=100)
    key: str = Field(max_length=LONGEST)
    role: Role = Role.DEVELOPER
    projects: tuple[str, ...] = ()


@op("GET /v1/keys", "admin", returns=SshKeyList)
async def list_ssh_keys(call: Call, _: Nothing) -> SshKeyList:
    """List the keys that git over SSH is open to."""
    return SshKeyList(items=tuple(_view(key) for key in await call.services.ssh_keys.list()))


@op("POST /v1/keys", "admin", given=NewSshKey, returns=SshKeyView, status=201)
async def add_ssh_key(call: Call, given: NewSshKey) -> SshKeyView:
    """Take a public key."""
    row = await call.services.ssh_keys.add(given.name, given.key, given.role, given.projects)
    data = {"key": row.id, "fingerprint": row.fingerprint, "role": row.role, "projects": list(row.projects)}
    await call.audit("key.added", f"took the SSH key {row.name} ({row.fingerprint})", data)
    return _view(row)


@op("DELETE /v1/keys/{key}", "admin", status=204)
async def remove_ssh_key(call: Call, _: Nothing) -> None:
    """Let nobody come in with a key any more; what it has begun is carried to its end."""
    key = call.path["key"]
    await call.services.ssh_keys.remove(key)
    await call.audit("key.removed", f"removed the SSH key {key}", {"key": key})


def _view(key: SshKey) -> SshKeyView:
    return SshKeyView(
        id=key.id,
        name=key.name,
        kind=key.kind,
        fingerprint=key.fingerprint,
        role=key.role,
        projects=key.projects,
        created_at=key.created_at,
        used_at=key.used_at,
    )


OPERATIONS = (list_ssh_keys, add_ssh_key, remove_ssh_key)
