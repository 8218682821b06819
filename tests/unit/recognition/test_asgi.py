"""Where FastAPI's application is found."""

import pytest

from hostess.domain.recognisers.asgi import MOST, candidates
from tests.unit.recognition.folders import APP, command, python, refused

DEPENDENCIES = {"requirements.txt": "fastapi\nuvicorn\n"}
FACTORY = "from fastapi import FastAPI\n\ndef create_app() -> FastAPI:\n    return FastAPI()\n"

LAYOUTS = [
    ({"main.py": APP}, "main:app", ""),
    ({"app.py": APP}, "app:app", ""),
    ({"app/main.py": APP, "app/__init__.py": ""}, "app.main:app", ""),
    ({"app/main.py": APP}, "app.main:app", ""),
    ({"app/__init__.py": APP}, "app:app", ""),
    ({"app/main.py": APP, "main.py": "import app\n"}, "app.main:app", ""),
    ({"app/main.py": APP, "main.py": APP}, "app.main:app", ""),
    ({"src/main.py": APP}, "main:app", "src"),
    ({"src/app/main.py": APP, "src/app/__init__.py": ""}, "app.main:app", "src"),
    ({"src/shop/main.py": APP}, "shop.main:app", "src"),
    ({"src/main.py": f"from src.db import x\n{APP}", "src/db.py": ""}, "src.main:app", ""),
    ({"src/__init__.py": "", "src/main.py": APP}, "src.main:app", ""),
    ({"backend/app/main.py": APP, "backend/app/__init__.py": ""}, "app.main:app", "backend"),
    ({"backend/app/main.py": f"from app.db import x\n{APP}", "backend/app/db.py": ""}, "app.main:app", "backend"),
    ({"backend/main.py": f"from db import x\n{APP}", "backend/db.py": ""}, "main:app", "backend"),
    ({"shop/api/server.py": APP, "shop/__init__.py": ""}, "shop.api.server:app", ""),
    ({"a/b/other.py": APP, "a/main.py": APP}, "a.main:app", ""),
    ({"my-shop/api/main.py": APP}, "api.main:app", "my-shop"),
    ({"my-shop/main.py": APP, "other/my-main.py": APP}, "main:app", "my-shop"),
    ({"main.py": "from fastapi import FastAPI\napi = FastAPI(title='x')\n"}, "main:api", ""),
    ({"main.py": "import fastapi\napp: fastapi.FastAPI = fastapi.FastAPI(\n    title='x',\n)\n"}, "main:app", ""),
    ({"main.py": "admin = FastAPI()\napp = FastAPI()\n"}, "main:app", ""),
    ({"main.py": APP, "tests/test_main.py": APP, "test_app.py": APP, "examples/one.py": APP}, "main:app", ""),
    ({"main.py": "from core import create_app\n\napp = create_app()\n", "core.py": FACTORY}, "main:app", ""),
]


@pytest.mark.parametrize(("files", "target", "path"), LAYOUTS)
def test_layouts(files: dict[str, str], target: str, path: str) -> None:
    """The module is named as uvicorn can import it, from the folder that its own imports start at."""
    recipe = python({**DEPENDENCIES, **files})

    assert command(recipe) == ["uvicorn", target, "--host", "0.0.0.0", "--port", "8000"]
    assert recipe.start
    assert recipe.start.path == path


def test_a_factory() -> None:
    """Where only a function makes the application, uvicorn calls it."""
    assert command(python({**DEPENDENCIES, "app/main.py": FACTORY}))[:3] == [
        "uvicorn",
        "--factory",
        "app.main:create_app",
    ]


def test_an_entry_point_in_pyproject() -> None:
    """What pyproject.toml gives the FastAPI tool as entry point is taken."""
    pyproject = '[project]\ndependencies = ["fastapi[standard]"]\n[tool.fastapi]\nentrypoint = "shop.web:site"\n'

    assert command(python({"pyproject.toml": pyproject, "main.py": APP}))[1] == "shop.web:site"


def test_two_applications() -> None:
    """Two that are equally likely are named, and neither is taken."""
    problem = refused("fastapi", {**DEPENDENCIES, "users/main.py": APP, "orders/main.py": APP})

    assert problem.code == "start-ambiguous"
    assert "orders/main.py, users/main.py" in problem.what
    assert "orders.main:app" in problem.remedy


@pytest.mark.parametrize(
    "text", ["def f():\n    app = FastAPI()\n", "# app = FastAPI()\n", "app = Flask()\n", "x = 'app = FastAPI()'\n"]
)
def test_what_is_no_application(text: str) -> None:
    """Only an assignment at the start of a line counts."""
    problem = refused("fastapi", {**DEPENDENCIES, "main.py": text})

    assert problem.code == "start-not-found"
    assert "app = FastAPI(" in problem.what
    assert "Procfile" in problem.what
    assert "command:" in problem.remedy


def test_few_files_are_read() -> None:
    """Of a large project only so many Python files are looked into, and the likely ones are among them."""
    files = [*(f"pkg/deep/module{number}.py" for number in range(1000)), "svc/main.py", "app/main.py", "x.txt"]

    chosen = candidates(files)

    assert len(chosen) == MOST
    assert chosen[:2] == ["app/main.py", "svc/main.py"]
