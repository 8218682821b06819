"""Files put into a container between its creation and its start, and files taken out of an image, as one tar archive."""

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping

from docker.errors import APIError, NotFound

from hostess.adapters.engine_calls import Api, Line, checked, reason, url_of
from hostess.domain.problem import Problem


def put_files(api: Api, container: str, files: Mapping[str, tuple[int, bytes]]) -> None:
    """Put *files* (absolute path -> mode, content) into a container that is not started; it is removed when that fails."""
    try:
        api.put_archive(container, "/", archive(files))
    except APIError as error:
        api.remove_container(container, v=True, force=True)
        raise Problem("files-not-mounted", f"its files could not be put into the container: {reason(error)}") from error


PIECE = 256 * 1024


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


def archive(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Return a tar of the files, owned by root; folders that are missing are made by the engine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (mode, content) in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
