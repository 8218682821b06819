"""Command lines of files as argv."""

import pytest

from hostess.domain.recognisers.start import argv
from tests.unit.recognition.folders import command, python


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("node server.js", ("node", "server.js")),
        ("uvicorn app.main:app --port 8000", ("uvicorn", "app.main:app", "--port", "8000")),
        ("python -c 'print(1)'", ("python", "-c", "print(1)")),
        ('gunicorn "app:make()"', ("gunicorn", "app:make()")),
        ("gunicorn app:app -b 0.0.0.0:$PORT", ("sh", "-c", "exec gunicorn app:app -b 0.0.0.0:$PORT")),
        ("alembic upgrade head && uvicorn a:b", ("sh", "-c", "alembic upgrade head && exec uvicorn a:b")),
        ("NODE_ENV=production node a.js", ("sh", "-c", "exec env NODE_ENV=production node a.js")),
        ("a && B=1 c", ("sh", "-c", "a && exec env B=1 c")),
        ("a; b", ("sh", "-c", "a; b")),
        ("a | b", ("sh", "-c", "a | b")),
        ("a & b", ("sh", "-c", "a & b")),
        ("a || b", ("sh", "-c", "a || b")),
        ("(a && b)", ("sh", "-c", "(a && b)")),
        ('say "$HOME"', ("sh", "-c", 'exec say "$HOME"')),
        ("say 'open", ("sh", "-c", "exec say 'open")),
        ("cd api && npm start", ("sh", "-c", "cd api && exec npm start")),
    ],
)
def test_a_command_line(line: str, words: tuple[str, ...]) -> None:
    """A shell is there only when it is needed, and the last program takes its place, so that signals reach it."""
    assert argv(line) == words


@pytest.mark.parametrize(
    ("procfile", "words"),
    [
        ("web: python serve.py\nworker: celery\n", ["python", "serve.py"]),
        ("release: alembic upgrade head\nweb:   gunicorn a:b  \r\n", ["gunicorn", "a:b"]),
        ("# web: no\nweb: yes\n", ["yes"]),
    ],
)
def test_the_procfile_comes_first(procfile: str, words: list[str]) -> None:
    """The `web:` line of a Procfile is the start command, whatever else could be."""
    recipe = python({"requirements.txt": "fastapi", "main.py": "app = FastAPI()\n", "Procfile": procfile})

    assert command(recipe) == words
    assert recipe.additions == ()


def test_a_procfile_without_web_says_nothing() -> None:
    """Other process types are no start command."""
    recipe = python({"requirements.txt": "fastapi", "main.py": "app = FastAPI()\n", "Procfile": "worker: celery\n"})

    assert command(recipe)[:2] == ["uvicorn", "main:app"]
