"""Files put into a container between its creation and its start, as one tar archive."""

import io
import tarfile
from collections.abc import Mapping

from docker.errors import APIError

from hostess.adapters.engine_calls import Api, reason
from hostess.domain.problem import Problem


def put_files(api: Api, container: str, files: Mapping[str, tuple[int, bytes]]) -> None:
    """Put *files* (absolute path -> mode, content) into a container that is not started; it is removed when that fails."""
    try:
        api.put_archive(container, "/", archive(files))
    except APIError as error:
        api.remove_container(container, v=True, force=True)
        raise Problem("files-not-mounted", f"its files could not be put into the container: {reason(error)}") from error


def archive(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Return a tar of the files, owned by root; folders that are missing are made by the engine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (mode, content) in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
