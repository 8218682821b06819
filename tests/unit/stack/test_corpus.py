"""Every file of the corpus is understood, or refused with exactly the mistakes that it names itself."""

from datetime import timedelta
from pathlib import Path

import pytest

from hostess.domain.hostess_yml.file import InvalidStack, Mistake, environment_for, parse, stack_for
from hostess.domain.hostess_yml.stack import Condition, Health, Run
from tests.unit.stack.corpus import FOLDER, INVALID, VALID, expected


def _name(path: Path) -> str:
    return path.stem


def _shown(mistake: Mistake) -> str:
    """Return a mistake as the corpus writes it: without file name and hint."""
    head = f"{mistake.line}:{mistake.column}: "
    return head + (f"{mistake.path}: {mistake.message}" if mistake.path else mistake.message)


@pytest.mark.parametrize("path", VALID, ids=_name)
def test_valid_file(path: Path) -> None:
    """A valid file becomes a stack with a service for each key below `services`."""
    stack = parse(path.read_bytes())

    assert stack.services
    assert all(name == service.name for name, service in stack.services.items())


@pytest.mark.parametrize("path", INVALID, ids=_name)
def test_invalid_file(path: Path) -> None:
    """An invalid file is refused with all of its mistakes, each at its line and column, sorted by place."""
    text = path.read_text()

    with pytest.raises(InvalidStack) as caught:
        parse(text)

    wanted = expected(text)
    found = [_shown(mistake) for mistake in caught.value.mistakes]
    assert len(found) == len(wanted), "\n".join(found)
    assert all(shown.startswith(start) for shown, start in zip(found, wanted, strict=True)), "\n".join(found)


def test_shapes_of_real_stacks() -> None:
    """The stacks that people publish keep their shape: thirteen services and a job that runs once, jobs in a chain, many ports."""
    platform, charts, doors = (
        parse((FOLDER / "valid" / f"stack_{name}.yml").read_bytes())
        for name in ("supabase_shape", "metabase_shape", "ports_of_all_kinds")
    )

    assert len(platform.services) == 13
    assert [job.run for job in platform.jobs.values()] == [Run.ONCE]
    assert "${PLUGINS:-bundled}" in "".join(platform.services["gateway"].command or ())
    assert charts.jobs["register"].depends_on == {"charts": Condition.HEALTHY, "seed": Condition.COMPLETED}
    assert charts.services["charts"].depends_on["seed"] is Condition.COMPLETED
    assert {name: [port.number for port in service.public_ports] for name, service in doors.services.items()} == {
        "search": [7700],
        "store": [9001],
        "model": [],
        "chat": [8080],
        "admin": [],
        "small": [],
    }


def test_what_published_files_mean() -> None:
    """The files that people publish mean what their authors meant: ports, branches, text that looks like something else."""
    tables, resume, diary, talk, tracker, planner = (
        parse((FOLDER / "valid" / f"shape_{name}.yml").read_bytes())
        for name in ("tables", "resume", "scheduling", "model_and_chat", "tracker", "planner")
    )

    assert [port.number for port in tables.services["tables"].public_ports] == [8080]
    assert [environment_for(resume, branch) for branch in ("main", "feature/x")] == ["production", None]
    assert stack_for(resume, "preview").services["web"].domains == ("preview.somebody.example",)
    assert {diary.services["diary"].env[key] for key in ("EMAIL_FROM", "GOOGLE_API_CREDENTIALS", "QUOTED")} == {
        "",
        "{}",
        '""',
    }
    assert [service.ports[0].number for service in talk.services.values()] == [8080, 8080]
    assert [name for name, service in tracker.services.items() if service.is_worker] == ["worker", "beat"]
    assert "${PORT:-80}" in (tracker.services["proxy"].command or ("",))[0]
    assert stack_for(planner, "production").services["app"].replicas.low == 2
    assert planner.services["objects"].health == Health(
        command=("/garage", "status"), interval=timedelta(seconds=15), retries=10
    )


def test_corpus_is_large() -> None:
    """The corpus holds at least 150 files, every one with a name of its own."""
    assert len(VALID) + len(INVALID) >= 150
    assert {path.stem for path in VALID}.isdisjoint({path.stem for path in INVALID})


def test_mistake_as_a_line() -> None:
    """A mistake prints as one line: file, line, column, path, message and hint."""
    with pytest.raises(InvalidStack) as caught:
        parse("services:\n  api:\n    type: fastapi\n    image: a\n    health: {interval: 30}\n", "shop/hostess.yml")

    assert [str(mistake) for mistake in caught.value.mistakes] == [
        'shop/hostess.yml:5:24: services.api.health.interval: needs a duration with its unit (did you mean "30s"?)'
    ]


def test_problem_that_carries_the_mistakes() -> None:
    """An InvalidStack is a Problem that counts its mistakes and keeps them when a caller adds what serves."""
    with pytest.raises(InvalidStack) as caught:
        parse('version: "2"\nservices: {api: {type: x, image: a}}\n')

    problem = caught.value.but(serving="v3 still serves")
    assert problem.code == "invalid-stack"
    assert str(problem) == "hostess.yml has 2 mistakes"
    assert problem.serving == "v3 still serves"
    assert problem.mistakes == caught.value.mistakes
