"""How the fake engine builds: it reads the Dockerfile of the context and understands as much of it as tests need.

FROM names an image that the engine has (also by an ARG before it); ENV, ENTRYPOINT and CMD change what is inherited; COPY checks
that the files are there; RUN runs what the fake shell knows and believes that all else works; it needs a session where it mounts a secret.
"""

import asyncio
import hashlib
import io
import itertools
import json
import re
import shlex
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hostess.adapters.engine.build_failure import Failure, explain
from hostess.domain.ports import BuildOrder
from hostess.domain.problem import Problem
from hostess.domain.releases.push import Say
from tests.fakes.programs import Box, Program, shell

KNOWN = ("exit", "sleep", "false", "true", "echo")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a fake image is made of. *commands* are its executables by name, *files* what can be taken out of it."""

    commands: Mapping[str, Program]
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None
    files: Mapping[str, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """The outcome: what the image is, and a digest of all that went into it."""

    recipe: Recipe
    digest: str


async def build(order: BuildOrder, base: Callable[[str], Recipe | None], say: Say) -> Built:
    """Build an image from what *base* knows; the same Problems as the real engine's."""
    context = await asyncio.to_thread(lambda: b"".join(order.context()))
    files = {name.removeprefix("./"): data for name, data in unpacked(context)}
    if order.dockerfile not in files:
        raise failed(order, "failed to read dockerfile: no such file or directory")
    lines = instructions(files[order.dockerfile].decode())
    number, recipe = itertools.count(1), None
    args = dict(order.args)
    for word, rest in lines:
        step = f"[{next(number)}/{len(lines)}] {word} {rest}"
        if word == "ARG":
            name, _, default = rest.partition("=")
            args.setdefault(name, default)
        elif word == "FROM":
            image = re.sub(r"\$\{?(\w+)\}?", lambda found: args.get(found[1], ""), rest).split()[0]
            say(step)
            recipe = base(image)
            if recipe is None:
                where = f"docker.io/library/{image}" if "/" not in image else image
                message = "failed to do request: dial tcp: lookup registry.invalid: no such host"
                raise failed(order, message, f"[internal] load metadata for {where}")
        elif recipe is None:
            raise failed(order, f"dockerfile parse error: no build stage in current context: {word}")
        else:
            say(step)
            if word == "COPY" and '["/app' in rest:
                recipe = replace(recipe, files=copied(rest, files))
            recipe = await applied(recipe, word, rest, order, (step, set(files), say))
    if recipe is None:
        raise failed(order, "dockerfile parse error: the file with no instructions")
    made_of = [
        sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items()),
        order.dockerfile,
        order.args,
    ]
    return Built(recipe, hashlib.sha256(json.dumps([*made_of, dict(order.labels)], default=dict).encode()).hexdigest())


async def applied(recipe: Recipe, word: str, rest: str, order: BuildOrder, seen: tuple[str, set[str], Say]) -> Recipe:
    """Return the recipe after one instruction."""
    step, files, say = seen
    match word:
        case "ENV":
            several = dict(word.split("=", 1) for word in rest.split() if "=" in word)
            name, _, value = rest.partition("=")
            one = {name.strip(): value.strip().strip('"')}
            return replace(recipe, env={**(recipe.env or {}), **(several if len(several) > 1 else one)})
        case "ENTRYPOINT":
            return replace(recipe, entrypoint=argv(rest), cmd=())
        case "CMD":
            return replace(recipe, cmd=argv(rest))
        case "COPY":
            words = shlex.split(rest)
            options = [word for word in words if word.startswith("--")]
            source = words[len(options)].removeprefix("./").rstrip("/")
            if any(option.startswith("--from=") for option in options):
                return recipe
            if source not in {".", ""} and not any(name == source or name.startswith(source + "/") for name in files):
                raise failed(order, f'failed to compute cache key: "/{source}" not found: not found', step)
        case "RUN":
            await ran(rest, order, step, say)
        case "WORKDIR" | "EXPOSE" | "LABEL" | "USER":
            pass
        case _:
            raise failed(order, f"dockerfile parse error line 1: unknown instruction: {word}")
    return recipe


def copied(rest: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what a copy out of /app of an earlier stage brings: the context's own files, as if the build had made those."""
    origin, target = json.loads(rest[rest.index("[") :])
    below = origin.removeprefix("/app").strip("/")
    prefix = f"{below}/" if below else ""
    return {f"{target}/{n.removeprefix(prefix)}": data for n, data in files.items() if n.startswith(prefix)}


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


async def ran(command: str, order: BuildOrder, step: str, say: Say) -> None:
    """Run a command of the fake shell; believe in all others."""
    written: list[str] = []

    def write(_: str, text: str) -> None:
        written.append(text)
        say(f"  {text}")

    mounts = re.findall(r"--mount=type=secret,id=(\w+)\S* ", command)
    if mounts and order.secrets is None:
        raise failed(order, "no active sessions", step)
    missing = [name for name in mounts if order.secrets and name not in order.secrets.values]
    if missing and ",required=true" in command:
        raise failed(order, f"secret {missing[0]} not found: not found", step)
    if not command.startswith(KNOWN):
        return
    code = await shell(Box(argv=("sh", "-c", command), env=order.args, address="", write=write))
    if code:
        message = f"executor failed running [/bin/sh -c {command}]: exit code: {code}"
        raise failed(order, message, step, tuple(written[-30:]))


def failed(order: BuildOrder, message: str, step: str = "", tail: tuple[str, ...] = ()) -> Problem:
    """Return the Problem that the real adapter makes of such a message."""
    return explain(Failure(message, step, tail, order.dockerfile))


def unpacked(context: bytes) -> list[tuple[str, bytes]]:
    """Return the files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(context), mode="r:") as tar:
        return [(member.name, file.read()) for member in tar if (file := tar.extractfile(member))]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return word and rest of each instruction, continued lines joined."""
    joined = re.sub(r"\\\n", " ", dockerfile)
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def argv(rest: str) -> tuple[str, ...]:
    """Return a command in either of its two forms."""
    return tuple(json.loads(rest)) if rest.startswith("[") else ("sh", "-c", rest)
