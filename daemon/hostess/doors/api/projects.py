"""Projects and their environments."""

from datetime import datetime

from pydantic import Field

from hostess.domain.names import check_project_name
from hostess.domain.problem import Problem
from hostess.domain.records import Place, Project
from hostess.doors.api.operation import Call, Given, Nothing, View, op

LONGEST = 500
"""Characters of a description."""


class EnvironmentView(View):
    """An environment and what is live in it."""

    name: str
    project: str
    release: int | None
    created_at: datetime


class ProjectView(View):
    """A project; *description* is for people, "" for none."""

    name: str
    description: str
    created_at: datetime
    environments: tuple[EnvironmentView, ...]


class ProjectList(View):
    """Projects, by name."""

    items: tuple[ProjectView, ...]


class NewProject(Given):
    """The name of a project to be made, and what it is."""

    name: str = Field(max_length=200)
    description: str = Field(default="", max_length=LONGEST)


class Changed(Given):
    """What a project is, for people; "" for nothing."""

    description: str = Field(max_length=LONGEST)


@op("GET /v1/projects", "read", returns=ProjectList)
async def list_projects(call: Call, _: Nothing) -> ProjectList:
    """List the projects that the caller may see."""
    journal = call.services.journal
    places = await journal.places()
    return ProjectList(items=tuple(_view(p, places) for p in await journal.projects() if call.sees(p.name)))


@op("POST /v1/projects", "create-project", given=NewProject, returns=ProjectView, status=201)
async def create_project(call: Call, given: NewProject) -> ProjectView:
    """Make a project and its repository."""
    services = call.services
    check_project_name(given.name)
    taken = Problem("project-exists", f"there is a project {given.name} already", remedy="choose another name")
    call.require("create-project", given.name, absent=taken)
    await services.repositories.create(given.name)
    if not await services.journal.create_project(given.name, services.clock.now()):
        raise taken
    if given.description:
        await services.journal.describe_project(given.name, given.description)
    await call.audit("project.created", f"made project {given.name}", {"made": given.name})
    found = [project for project in await services.journal.projects() if project.name == given.name]
    return _view(found[0], [])


@op("GET /v1/projects/{project}", "read", returns=ProjectView)
async def show_project(call: Call, _: Nothing) -> ProjectView:
    """Show one project."""
    return await _one(call)


@op("PATCH /v1/projects/{project}", "deploy", given=Changed, returns=ProjectView)
async def update_project(call: Call, given: Changed) -> ProjectView:
    """Say what a project is."""
    await call.services.journal.describe_project(call.project, given.description)
    await call.audit("project.changed", f"described {call.project}", {})
    return await _one(call)


@op("DELETE /v1/projects/{project}", "admin", status=204)
async def delete_project(call: Call, _: Nothing) -> None:
    """Remove a project with everything that belongs to it: containers, volumes, secrets, releases, repository."""
    await call.services.removal.remove(call.project)
    await call.services.journal.tell(
        "audit.project.deleted",
        f"{call.caller.name}: removed project {call.project} with everything in it",
        call.services.clock.now(),
        data={"actor": call.caller.name, "removed": call.project},
    )


async def _one(call: Call) -> ProjectView:
    journal = call.services.journal
    found = [project for project in await journal.projects() if project.name == call.project]
    return _view(found[0], await journal.places(call.project))


def _view(project: Project, places: list[Place]) -> ProjectView:
    environments = tuple(_environment(place) for place in places if place.project == project.name)
    return ProjectView(
        name=project.name,
        description=project.description,
        created_at=project.created_at,
        environments=environments,
    )


def _environment(place: Place) -> EnvironmentView:
    return EnvironmentView(
        name=place.environment, project=place.project, release=place.live, created_at=place.created_at
    )


OPERATIONS = (list_projects, create_project, show_project, update_project, delete_project)
