"""Files put into a container between its creation and its start, and files taken out of an image, as one tar archive."""

import base64
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping

from docker.errors import APIError, NotFound

from hostess.adapters.engine.calls import Api, Line, checked, reason, url_of
from hostess.domain.problem import Problem

PIECE = 256 * 1024
LARGEST = 1024 * 1024
"""An image's passwd that is larger is not read."""


def put_files(api: Api, container: str, files: Mapping[str, tuple[int, bytes]]) -> None:
    """Put *files* (absolute path -> mode, content) into a container that is not started; it is removed when that fails."""
    try:
        api.put_archive(container, "/", archive(files))
    except APIError as error:
        api.remove_container(container, v=True, force=True)
        raise Problem("files-not-mounted", f"its files could not be put into the container: {reason(error)}") from error


def give_folders(api: Api, container: str, owners: Mapping[str, str]) -> None:
    """Let each folder (absolute path) of a container that is not started belong to its owner; what lies in it keeps its own.

    The container is removed when that fails; Problem "owner-unknown" for a name that the image does not know.
    """
    try:
        ids = {path: _ids(api, container, owner) for path, owner in owners.items()}
        modes = {path: _mode(api, container, path) for path in owners}
        api.put_archive(container, "/", folders(ids, modes))
    except Problem:
        api.remove_container(container, v=True, force=True)
        raise
    except APIError as error:
        api.remove_container(container, v=True, force=True)
        what = f"the owner of {', '.join(owners)} could not be set: {reason(error)}"
        raise Problem("owner-not-set", what) from error


def _ids(api: Api, container: str, owner: str) -> tuple[int, int]:
    """Return the numbers of user and group; a user alone brings the group that the image gives it, else root's."""
    user, _, group = owner.partition(":")
    if user.isdecimal() and group.isdecimal():
        return int(user), int(group)
    known = _line(api, container, "/etc/passwd", user)
    uid, own = (known[2], known[3]) if known else (user, "0")
    if group:
        grouped = _line(api, container, "/etc/group", group)
        own = grouped[2] if grouped else group
    for name, number in (("user", uid), ("group", own)):
        if not number.isdecimal():
            raise Problem(
                "owner-unknown",
                f"the image has no {name} {number}, which persistence.owner names",
                remedy='write numbers: `owner: "1000:1000"`; `docker run --rm IMAGE id` prints those of its user',
            )
    return int(uid), int(own)


def _line(api: Api, container: str, path: str, name: str) -> list[str] | None:
    """Return the fields of the line in passwd or group that begins with *name*, or has it as its number."""
    try:
        pieces, _ = api.get_archive(container, path)
    except NotFound:
        return None
    raw = b""
    for piece in pieces:
        raw += piece
        if len(raw) > LARGEST:
            return None
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        files = [tar.extractfile(member) for member in tar if member.isfile()]
        text = "".join(file.read().decode(errors="replace") for file in files if file)
    fields = [line.split(":") for line in text.splitlines() if line.count(":") >= 3]  # noqa: PLR2004 -- group(5) has that many
    return next((found for found in fields if name in {found[0], found[2]}), None)


def _mode(api: Api, container: str, path: str) -> int:
    url = url_of(api, f"/containers/{container}/archive")
    told = checked(api.head(url, params={"path": path})).headers["X-Docker-Container-Path-Stat"]
    return int(json.loads(base64.b64decode(told))["mode"]) & 0o777


def export(image: str, path: str, take: Callable[[Iterable[bytes]], None], api: Api, line: Line) -> None:
    """Hand a folder of an image to *take*, out of a container that is never started (images themselves cannot be read)."""
    body = {"Image": image, "Cmd": ["-"], "NetworkDisabled": True, "HostConfig": {"NetworkMode": "none"}}
    try:
        container = str(checked(api.post(url_of(api, "/containers/create"), json=body)).json()["Id"])
    except NotFound as error:
        raise Problem("image-not-found", f"there is no image {image} on this host: {reason(error)}") from error
    try:
        url = url_of(api, f"/containers/{container}/archive")
        with line.hold(checked(api.get(url, params={"path": path}, stream=True))) as response:
            take(response.iter_content(PIECE))
    except NotFound as error:
        raise Problem("path-not-found", f"the image has no {path}: {reason(error)}") from error
    finally:
        api.remove_container(container, v=True, force=True)


def folders(owners: Mapping[str, tuple[int, int]], modes: Mapping[str, int]) -> bytes:
    """Return a tar of these folders alone: an engine that unpacks it gives the ones that are there owner and rights."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (uid, gid) in sorted(owners.items()):
            entry = tarfile.TarInfo(path.strip("/"))
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, modes[path], uid, gid
            tar.addfile(entry)
    return buffer.getvalue()


def archive(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Return a tar of the files, owned by root; folders that are missing are made by the engine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (mode, content) in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
