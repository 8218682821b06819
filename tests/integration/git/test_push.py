"""Pushes of the real git client over HTTP, through the hook, to a handler that stands for the deployer."""

import asyncio
from collections.abc import Sequence

from hostess.domain.problem import Problem
from hostess.domain.releases.push import ZERO, Push, RefUpdate, Say, Verdict
from tests.integration.git.conftest import World


async def test_accepted_push_moves_the_branch(world: World) -> None:
    """A push that the handler accepts ends well, shows its lines and moves the branch (scenario 1)."""
    clone = await world.clone()
    commit = (await clone.good("rev-parse", "HEAD")).strip()
    said = await clone.good("push", "hostess", "main")

    assert "remote: accepted" in said
    assert "[new branch]      main -> main" in said
    assert await world.repositories.ref("shop", "refs/heads/main") == commit
    assert world.pushes[0].updates == (RefUpdate("refs/heads/main", ZERO, commit),)
    assert (world.pushes[0].project, world.pushes[0].actor) == ("shop", "ada")
    assert (await clone.good("rev-parse", "hostess/main")).strip() == commit


async def test_lines_arrive_while_the_handler_works(world: World) -> None:
    """A line reaches the pusher before the handler has ended."""
    clone = await world.clone()
    seen = asyncio.Event()

    async def decide(push: Push, say: Say) -> Sequence[Verdict]:
        say("step 1")
        await seen.wait()
        return [await world.move(push, update) for update in push.updates]

    world.decide = decide
    child = await clone.start("push", "hostess", "main")
    assert child.stderr is not None
    async with asyncio.timeout(25):
        while b"remote: step 1" not in await child.stderr.readline():
            pass
        seen.set()
        await child.communicate()

    assert child.returncode == 0


async def test_rejected_push_gives_the_reason(world: World) -> None:
    """A refused ref stays where it is, git names the reason and fails, and the same commit can be pushed again (scenario 4)."""
    clone = await world.clone()
    accept = world.decide

    async def decide(push: Push, say: Say) -> Sequence[Verdict]:
        say("exit code 1")
        return [Verdict(update.ref, accepted=False, reason="migration failed:\nexit 1") for update in push.updates]

    world.decide = decide
    refused = await clone.git("push", "hostess", "main")
    world.decide = accept
    again = await clone.git("push", "hostess", "main")

    assert refused.code == 1
    assert "remote: exit code 1" in refused.said
    assert "! [remote rejected] main -> main (migration failed: exit 1)" in refused.said
    assert again.code == 0


async def test_problem_and_bug_refuse_every_ref(world: World) -> None:
    """A Problem refuses every ref with its sentence; anything else says "internal error" and no more."""
    clone = await world.clone()
    await clone.good("branch", "dev")

    async def problem(_push: Push, _say: Say) -> Sequence[Verdict]:
        raise Problem("several-refs", "two branches would be deployed")

    async def bug(_push: Push, _say: Say) -> Sequence[Verdict]:
        raise RuntimeError("a secret")

    world.decide = problem
    first = await clone.git("push", "hostess", "main", "dev")
    world.decide = bug
    second = await clone.git("push", "hostess", "main")

    assert first.said.count("(two branches would be deployed)") == 2
    assert "main -> main (internal error)" in second.said
    assert "a secret" not in second.said


async def test_push_options_arrive(world: World) -> None:
    """Options given with -o reach the handler in their order."""
    clone = await world.clone()
    await clone.good("push", "-o", "env=staging", "-o", "no-cache", "hostess", "main")

    assert world.pushes[0].options == ("env=staging", "no-cache")


async def test_each_ref_has_its_own_verdict(world: World) -> None:
    """Of several branches pushed at once each is accepted or refused by itself, also with names that are not ASCII."""
    clone = await world.clone()
    await clone.good("branch", "größe")

    async def decide(push: Push, _say: Say) -> Sequence[Verdict]:
        *_, last = [await world.move(push, update) for update in push.updates if "größe" in update.ref]
        return [last, Verdict("refs/heads/main", accepted=False, reason="not this one")]

    world.decide = decide
    done = await clone.git("push", "hostess", "main", "größe")

    assert done.code == 1
    assert "[new branch]      größe -> größe" in done.said
    assert "main -> main (not this one)" in done.said
    assert len(world.pushes) == 1


async def test_tag_is_stored_without_asking(world: World) -> None:
    """A tag is stored by git itself: the handler is not asked (scenario 3)."""
    clone = await world.clone()
    await clone.good("push", "hostess", "main")
    await clone.good("tag", "-a", "-m", "one", "v1")
    await clone.good("push", "hostess", "v1")

    assert len(world.pushes) == 1
    commit = await world.repositories.commit_of("shop", "v1")
    assert commit is not None
    assert await world.repositories.tag_of("shop", commit) == "v1"


async def test_deletion_goes_through_the_handler(world: World) -> None:
    """A deletion is decided by the handler as any other move, and git shows it as one (scenario 3)."""
    clone = await world.clone()
    commit = (await clone.good("rev-parse", "HEAD")).strip()
    await clone.good("push", "hostess", "main:old")
    said = await clone.good("push", "hostess", ":old")

    assert "- [deleted]         old" in said
    assert world.pushes[1].updates == (RefUpdate("refs/heads/old", commit, ZERO),)
    assert await world.repositories.ref("shop", "refs/heads/old") is None


async def test_force_push_and_empty_push(world: World) -> None:
    """A forced push replaces the branch and is shown as one; a push without news does not reach the handler (scenario 7)."""
    clone = await world.clone()
    await clone.commit()
    await clone.good("push", "hostess", "main")
    await clone.good("commit", "-q", "--amend", "-m", "another")
    forced = await clone.good("push", "-f", "hostess", "main")
    empty = await clone.good("push", "hostess", "main")

    assert "(forced update)" in forced
    assert "Everything up-to-date" in empty
    assert len(world.pushes) == 2


async def test_atomic_push_is_refused_by_the_client(world: World) -> None:
    """An atomic push is not promised, so the client refuses it before anything is sent."""
    clone = await world.clone()
    done = await clone.git("push", "--atomic", "hostess", "main")

    assert done.code != 0
    assert "does not support --atomic" in done.said
    assert world.pushes == []


async def test_branch_takes_commits_only(world: World) -> None:
    """A blob pushed as a branch is no commit, and no branch can be moved to it (scenario 7)."""
    clone = await world.clone()
    blob = (await clone.good("rev-parse", "HEAD:file")).strip()
    done = await clone.git("push", "hostess", f"{blob}:refs/heads/blob")

    assert done.code == 1
    assert "non-commit object" in done.said
    assert await world.repositories.commit_of("shop", blob) is None


async def test_shallow_clone(world: World) -> None:
    """A shallow clone can push what the server knows the history of; without that history git says no (scenario 7)."""
    clone = await world.clone()
    await clone.commit()
    await clone.good("push", "hostess", "main")
    await clone.good("clone", "-q", "--depth=1", world.remote(), str(world.folder / "shallow"))
    shallow = type(clone)(world.folder / "shallow")
    await shallow.commit()
    known = await shallow.git("push", "origin", "main")
    unknown = await shallow.git("push", world.remote("other"), "main")

    assert known.code == 0, known.said
    assert unknown.code == 1
    assert "shallow update not allowed" in unknown.said
    assert [push.project for push in world.pushes] == ["shop", "shop"]


async def test_overlapping_pushes_both_reach_the_handler(world: World) -> None:
    """Of two pushes to one branch that overlap, git refuses neither: both are the handler's to decide (scenario 6)."""
    first, second = await world.clone("one"), await world.clone("two")
    both = asyncio.Event()

    async def decide(push: Push, _say: Say) -> Sequence[Verdict]:
        if len(world.pushes) == 2:
            both.set()
        await both.wait()
        return [await world.move(push, update) for update in push.updates]

    world.decide = decide
    async with asyncio.timeout(30):
        done = await asyncio.gather(first.git("push", "hostess", "main"), second.git("push", "hostess", "main"))

    assert sorted(each.code for each in done) == [0, 1]
    assert "main -> main (fetch first)" in done[0].said + done[1].said
