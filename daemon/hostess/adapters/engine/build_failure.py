"""Why a build failed, for people: BuildKit's message, the step and its last lines made into one Problem. Pure."""

import re
from dataclasses import dataclass

from hostess.domain.problem import Problem

EXIT = re.compile(r"exit code: (\d+)")
NAMES_IMAGE = re.compile(r"(?:load metadata for|resolve image config for|FROM) (?:docker-image://)?(\S+)")
PARSE = re.compile(r"parse error(?: on)?(?: line (\d+))?:? *(.*)")
NO_SECRET = re.compile(r"secret (\S+?):? not found")
ABSENT = re.compile(r'"([^"]+)"(?:: | )not found')
NO_DOCKERFILE = re.compile(r"failed to read dockerfile|failed to load dockerfile")
NOT_THERE = re.compile(
    r"pull access denied|no basic auth credentials|unauthorized|authentication required|"
    r"manifest unknown|repository does not exist|: not found|does not match the specified platform",
    re.IGNORECASE,
)
PREAMBLE = re.compile(r"^(?:failed to (?:solve|create LLB definition|load cache key)(?: with frontend [\w.]+)?: )+")
KILLED = 137
SERVING = "nothing was switched: what served before serves on"
POETRY = "`--no-dev` was removed in Poetry 2: write `poetry install --only main` (or `--without dev`) in the Dockerfile"


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known when a build has failed. *step* is the name of the step that failed, *memory* the limit in bytes (0: none)."""

    message: str
    step: str
    tail: tuple[str, ...]
    dockerfile: str
    memory: int = 0


def explain(failure: Failure) -> Problem:
    """Return the Problem: which step failed, how, and what to do."""
    image = NAMES_IMAGE.search(failure.step)
    if image and not EXIT.search(failure.message):
        return about_image(failure, familiar(image[1]))
    code = EXIT.search(failure.message)
    if code:
        return about_command(failure, int(code[1]))
    return about_file(failure)


def about_image(failure: Failure, image: str) -> Problem:
    """Explain that a base image, or the front end that a `# syntax=` line asks for, could not be had."""
    if NOT_THERE.search(failure.message):
        what = f"the base image {image} was not found in its registry"
        remedy = f"see whether the name is right, and whether it is private (then: hostess registry login); {failure.dockerfile} names it"
    else:
        what = (
            f"the base image {image} is not on this host, and its registry cannot be reached: {cause(failure.message)}"
        )
        remedy = "see whether this host reaches the registry (DNS, firewall, proxy), then push again"
    if "resolve image config" in failure.step:
        remedy = (
            f"the line `# syntax=` at the top of {failure.dockerfile} asks for {image}: take it out if it is not needed"
        )
    return Problem("base-image-not-found", what, serving=SERVING, remedy=remedy, tail=failure.tail)


def about_command(failure: Failure, code: int) -> Problem:
    """Explain that a RUN step ended with something else than 0."""
    what = f"the build failed at {failure.step or 'a step'}: exit code {code}"
    remedy = "the lines above say why; the same step fails with `docker build` on your machine"
    if any("--no-dev" in line and "not exist" in line for line in failure.tail):
        remedy = POETRY
    elif code == KILLED:
        limit = f" (build.memory is {failure.memory // 1024**2} MiB)" if failure.memory else ""
        what = f"the build failed at {failure.step or 'a step'}: it was killed (exit code 137), most likely for want of memory{limit}"
        remedy = "make the step use less memory, or raise build.memory in Hostess's settings"
    elif any("No space left on device" in line for line in failure.tail):
        remedy = "the disk is full: free some (hostess gc), then push again"
    return Problem("build-failed", what, serving=SERVING, remedy=remedy, tail=failure.tail)


def about_file(failure: Failure) -> Problem:
    """Explain that the Dockerfile, or what it copies, is not as it must be."""
    message = cause(failure.message)
    remedy = ""
    if NO_DOCKERFILE.search(failure.message):
        what = f"the build failed: there is no {failure.dockerfile} in the build's folder"
        remedy = "see `build.source` and `build.dockerfile` in hostess.yml, and whether the file is committed and not in .dockerignore"
    elif parse := PARSE.search(failure.message):
        line = f" line {parse[1]}" if parse[1] else ""
        what = f"the build failed: {failure.dockerfile}{line}: {parse[2]}"
        remedy = f"correct {failure.dockerfile}, commit and push again"
    elif "file with no instructions" in failure.message:
        what = f"the build failed: there is no instruction in {failure.dockerfile}"
        remedy = "it begins with FROM and the name of an image; correct it, commit and push again"
    elif "no active sessions" in failure.message:
        what = (
            f"the build failed at {failure.step}: it mounts a secret that build.secrets does not name, or an SSH agent"
        )
        remedy = (
            "name the secret in build.secrets; an SSH agent is not offered here: fetch with a token, commit private packages, or "
            "begin with a private image that has them, after `hostess registry login`"
        )
    elif secret := NO_SECRET.search(failure.message):
        what = (
            f"the build failed at {failure.step}: it mounts the secret {secret[1]}, which build.secrets does not name"
        )
        remedy = "name it in build.secrets in hostess.yml"
    elif "no space left on device" in failure.message.lower():
        what = f"the build failed at {failure.step or 'a step'}: the disk is full"
        remedy = "free some disk (hostess gc), then push again"
    elif absent := ABSENT.search(failure.message):
        what = f"the build failed at {failure.step or 'a step'}: {absent[1]} is not in the build's folder"
        remedy = "see whether the file is committed, not in .dockerignore, and below `build.source`"
    else:
        what = f"the build failed{' at ' + failure.step if failure.step else ''}: {message}"
    return Problem("build-failed", what, serving=SERVING, remedy=remedy, tail=failure.tail)


def cause(message: str) -> str:
    """Return BuildKit's message without the chain of its own parts in front, and of a network error its last words."""
    message = PREAMBLE.sub("", message).strip()
    network = re.search(
        r"(dial tcp.*|x509.*|TLS handshake.*|context deadline.*|i/o timeout.*|unauthorized.*|denied.*)$", message
    )
    return network[1] if network else message


def familiar(image: str) -> str:
    """Return an image's name as a Dockerfile has it."""
    return image.removeprefix("docker.io/").removeprefix("library/").rstrip(":")
