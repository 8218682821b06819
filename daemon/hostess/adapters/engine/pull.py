"""Fetching an image from its registry, told in few lines; the registry's refusals as Problems."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import requests
from docker.errors import APIError, NotFound
from docker.utils import parse_repository_tag

from hostess.adapters.engine.build import messages
from hostess.adapters.engine.build_failure import NOT_THERE, cause, familiar
from hostess.adapters.engine.calls import Api, Line, checked, reason, url_of
from hostess.domain.problem import Problem
from hostess.domain.registries import RegistryLogin

SILENCE = 60.0
"""Seconds without a word from the engine after which the registry counts as unreachable."""
QUARTERS = 4
_REFUSED = re.compile(r"unauthorized|incorrect username|denied|401|403", re.IGNORECASE)


def fetch(reference: str, tell: Callable[[str], None], login: RegistryLogin | None, api: Api, line: Line) -> None:
    """Fetch an image; blocking. Problem "image-not-found" or "registry-unreachable"."""
    repository, tag = parse_repository_tag(reference)
    params = {"fromImage": repository, "tag": tag or "latest"}
    tell(f"pulling {reference}")
    try:
        response = api.post(
            url_of(api, "/images/create"), params=params, headers=_shown(login), stream=True, timeout=(10, SILENCE)
        )
        with line.hold(checked(response)):
            progress(reference, messages(response), tell)
    except NotFound as error:
        raise refused(reference, reason(error)) from error
    except APIError as error:
        raise refused(reference, reason(error)) from error
    except requests.Timeout as error:
        raise refused(reference, f"no word from it for {SILENCE:.0f} s") from error


def try_login(login: RegistryLogin, api: Api, line: Line) -> None:
    """Let the engine sign in; blocking. Problem "registry-refused" or "registry-unreachable"."""
    try:
        response = api.post(url_of(api, "/auth"), json=_members(login), stream=True, timeout=(10, SILENCE))
        with line.hold(checked(response)):
            pass
    except (APIError, requests.Timeout) as error:
        words = reason(error) if isinstance(error, APIError) else f"no word from it for {SILENCE:.0f} s"
        if _REFUSED.search(words):
            raise Problem(
                "registry-refused",
                f"{login.host} does not take this user and password: {cause(words)}",
                serving="the login that was there before, if there was one",
                remedy="see whether it wants an access token in place of the password",
            ) from error
        raise Problem(
            "registry-unreachable",
            f"the registry {login.host} cannot be reached: {cause(words)}",
            serving="the login that was there before, if there was one",
            remedy="see whether this host reaches the registry (DNS, firewall, proxy)",
        ) from error


def _members(login: RegistryLogin) -> dict[str, str]:
    return {"username": login.user, "password": login.password, "serveraddress": login.address}


def _shown(login: RegistryLogin | None) -> dict[str, str]:
    if login is None:
        return {}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(_members(login)).encode()).decode()}


def progress(reference: str, heard: Iterable[dict[str, Any]], tell: Callable[[str], None]) -> None:
    """Tell of each quarter of the layers; a Problem when the registry refuses in mid answer."""
    layers: dict[str, bool] = {}
    told = 0
    for message in heard:
        if "error" in message:
            raise refused(reference, str(message["error"]))
        status, layer = message.get("status", ""), message.get("id", "")
        if status in {"Pulling fs layer", "Already exists"}:
            layers[layer] = status == "Already exists"
        elif status == "Pull complete":
            layers[layer] = True
        quarter = sum(layers.values()) * QUARTERS // len(layers) if layers else 0
        if quarter > told:
            told = quarter
            tell(f"  {sum(layers.values())} of {len(layers)} layers")


def refused(reference: str, words: str) -> Problem:
    """Return the Problem that the engine's words mean."""
    if NOT_THERE.search(words) or "not found" in words or "invalid reference" in words:
        return Problem(
            "image-not-found",
            f"the image {familiar(reference)} was not found: {words}",
            remedy="see whether name and tag are right, and whether the image is private (then: hostess registry login)",
        )
    return Problem(
        "registry-unreachable",
        f"the image {familiar(reference)} is not on this host, and its registry cannot be reached: {cause(words)}",
        remedy="see whether this host reaches the registry (DNS, firewall, proxy)",
    )
