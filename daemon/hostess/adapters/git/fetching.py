"""Fetching a branch from a repository elsewhere, by git's own client."""

import asyncio
import base64
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from hostess.adapters.git.objects import environment, find
from hostess.domain.problem import Problem

WITHIN = 600.0
"""Seconds in which all of it must be here."""
FETCHED = "refs/hostess/fetched/"
"""Below it, per branch (its digest: "a" and "a/b" may follow each other): what was fetched last."""
_WORDS = 500
_OUTWARD = (
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"),
)
_SETTINGS = {
    # Nothing but HTTP leads out, and nobody is led elsewhere, or asked for a password.
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    # As for what is pushed: found in the history of many a healthy repository.
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
    "fetch.fsck.zeroPaddedFilemode": "ignore",
    "fetch.fsck.badTimezone": "ignore",
    "fetch.fsck.missingTaggerEntry": "ignore",
    "fetch.unpackLimit": "1",
}


class GitFetcher:
    """Implements `ports.BranchFetcher`; *path* gives the folder of a project's repository."""

    def __init__(self, path: Callable[[str], Path], *, within: float = WITHIN) -> None:
        self._path = path
        self._within = within

    async def fetch(self, project: str, url: str, branch: str, user: str, password: str) -> str | None:
        """Bring a branch; return the commit that it is at, None when there is no such branch. Problem "fetch-failed"."""
        repository, ref = self._path(project), FETCHED + sha256(branch.encode()).hexdigest()[:16]
        arguments = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
        code, words = await self._run(
            [f"--git-dir={repository}", *arguments, "--no-auto-maintenance", url, f"+refs/heads/{branch}:{ref}"],
            _variables(user, password),
        )
        if code and "couldn't find remote ref" in words:
            return None
        if code:
            raise _failed(url, branch, words.removeprefix("fatal: ")[:_WORDS])
        found = await asyncio.to_thread(find, repository, f"{ref}^{{commit}}")
        return found.id if found else None

    async def _run(self, arguments: list[str], variables: Mapping[str, str]) -> tuple[int, str]:
        """Return git's exit code and its complaints; nothing of it goes on when this ends."""
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            env={**environment(), **_outward(), **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # so that its helpers can be ended with it
        )
        try:
            async with asyncio.timeout(self._within):
                _, said = await process.communicate()
        except TimeoutError:
            return 1, f"it was not done within {self._within:.0f} s"
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return process.returncode or 0, said.decode(errors="replace").strip()


def _outward() -> dict[str, str]:
    """Return what the daemon's own environment says about the way out: proxies, and whose certificates are trusted."""
    return {name: os.environ[name] for name in _OUTWARD if name in os.environ}


def _variables(user: str, password: str) -> dict[str, str]:
    """Return the settings as git takes them from the environment, which, unlike arguments, no process list shows."""
    settings = dict(_SETTINGS)
    if user:
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        settings["http.extraHeader"] = f"Authorization: Basic {basic}"
    pairs = {
        f"GIT_CONFIG_{what}_{n}": v
        for n, pair in enumerate(settings.items())
        for what, v in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {**pairs, "GIT_CONFIG_COUNT": str(len(settings)), "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}


def _failed(url: str, branch: str, words: str) -> Problem:
    return Problem(
        "fetch-failed",
        f"{branch} could not be fetched from {url}: {words}",
        serving="what served before serves on",
        remedy="see whether the repository is private (then: --user) or has moved, then let the forge deliver the event again",
    )
