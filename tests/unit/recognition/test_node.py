"""Node projects: what installs, builds and starts them."""

import json
from typing import Any

import pytest

from hostess.domain.recognisers.values import Manager
from tests.unit.recognition.folders import command, node, refused, written


def package(**content: Any) -> dict[str, str]:
    """Return a folder with this package.json."""
    return {"package.json": json.dumps(content)}


START = {"start": "node server.js"}
NEXT = {"dependencies": {"next": "15", "react": "19"}, "scripts": {"build": "next build", "start": "next start"}}

MANAGERS = [
    ({}, Manager.NPM, "npm install --omit=dev", ""),
    ({"package-lock.json": "{}"}, Manager.NPM, "npm ci --omit=dev", ""),
    ({"npm-shrinkwrap.json": "{}"}, Manager.NPM, "npm ci --omit=dev", ""),
    (
        {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"},
        Manager.PNPM,
        "pnpm install --store-dir /root/.pnpm --frozen-lockfile --prod",
        "pnpm@10",
    ),
    (
        {"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"},
        Manager.PNPM,
        "pnpm install --store-dir /root/.pnpm --frozen-lockfile --prod",
        "pnpm@8",
    ),
    (
        {"yarn.lock": "# THIS IS\n# yarn lockfile v1\n"},
        Manager.YARN,
        "yarn install --frozen-lockfile --production",
        "yarn@1",
    ),
    ({"yarn.lock": "__metadata:\n  version: 8\n"}, Manager.BERRY, "yarn install --immutable", "@yarnpkg/cli-dist@4"),
]


@pytest.mark.parametrize(("files", "manager", "step", "program"), MANAGERS)
def test_the_lock_file_decides(files: dict[str, str], manager: Manager, step: str, program: str) -> None:
    """Each lock file is installed by the program that wrote it, exactly as locked."""
    recipe = node({**package(scripts=START), **files})

    assert (recipe.manager, recipe.program) == (manager, program)
    assert f" {step}\n" in written(recipe)
    assert recipe.early == ("package.json", *files)
    assert recipe.notices == () if files else "no lock file" in recipe.notices[0]


@pytest.mark.parametrize(
    ("asked", "manager", "program"),
    [
        ("pnpm@9.1.0+sha512.abc", Manager.PNPM, "pnpm@9.1.0"),
        ("yarn@1.22.19", Manager.YARN, "yarn@1.22.19"),
        ("yarn@4.1.0", Manager.BERRY, "@yarnpkg/cli-dist@4.1.0"),
        ("npm@10.0.0", Manager.NPM, ""),
    ],
)
def test_package_json_names_its_package_manager(asked: str, manager: Manager, program: str) -> None:
    """`packageManager` decides which, and in which version, also where several locks lie about."""
    recipe = node({**package(packageManager=asked, scripts=START), "package-lock.json": "{}"})

    assert (recipe.manager, recipe.program) == (manager, program)


@pytest.mark.parametrize(
    "more",
    [
        {"scripts": {**START, "postinstall": "node setup.js"}},
        {"scripts": {**START, "prepare": "husky"}},
        {"workspaces": ["packages/*"]},
        {"dependencies": {"lib": "file:./lib"}},
        {"dependencies": {"lib": "workspace:*"}},
    ],
)
def test_installations_that_need_the_source(more: dict[str, Any]) -> None:
    """Where the project's own scripts or folders take part in the installation, all of it is copied first."""
    recipe = node({**package(**{"scripts": START, **more}), "package-lock.json": "{}"})

    assert recipe.early == ()
    text = written(recipe)
    assert text.index("COPY . .") < text.index("npm ci")


def test_own_scripts_get_the_development_tools() -> None:
    """A `prepare` script finds what it calls among the devDependencies; they are taken away afterwards."""
    text = written(node({**package(scripts={**START, "prepare": "husky"}), "package-lock.json": "{}"}))

    assert " npm ci\n" in text
    assert "npm prune --omit=dev --ignore-scripts\n" in text


def test_a_build_script() -> None:
    """A project with a build script is installed whole, built, and made lean."""
    text = written(node({**package(scripts={**START, "build": "tsc"}), "package-lock.json": "{}"}))

    steps = [
        text.index(step)
        for step in (" npm ci\n", "COPY . .", "RUN npm run build\n", "npm prune", "FROM node:22-slim\n")
    ]
    assert steps == sorted(steps)


@pytest.mark.parametrize("script", ["tsx src/index.ts", "nest start", "node -r ts-node/register a.ts", "vite preview"])
def test_development_tools_that_start(script: str) -> None:
    """What starts by anything else than plain node keeps its devDependencies."""
    text = written(node({**package(scripts={"start": script, "build": "tsc"}), "package-lock.json": "{}"}))

    assert "--omit=dev" not in text


@pytest.mark.parametrize(
    ("content", "files", "words"),
    [
        ({"scripts": START}, {}, ["node", "server.js"]),
        ({"scripts": {"start": "PORT=1 node a.js"}}, {}, ["sh", "-c", "exec env PORT=1 node a.js"]),
        ({"scripts": {**START, "prestart": "node migrate.js"}}, {}, ["npm", "start"]),
        ({"scripts": START}, {"Procfile": "web: node other.js"}, ["node", "other.js"]),
        ({"main": "lib/run.js"}, {"lib/run.js": ""}, ["node", "lib/run.js"]),
        ({"main": "./run"}, {"run.js": ""}, ["node", "run.js"]),
        ({"main": "gone.js"}, {"index.js": ""}, ["node", "index.js"]),
        ({}, {"server.js": "", "index.js": ""}, ["node", "server.js"]),
    ],
)
def test_start_commands(content: dict[str, Any], files: dict[str, str], words: list[str]) -> None:
    """The Procfile, the start script, `main`, or a file of a usual name starts, without npm in between where it can be."""
    assert command(node({**package(**content), **files})) == words


def test_a_start_by_the_package_manager() -> None:
    """A start command that calls pnpm finds it in the image."""
    recipe = node({**package(scripts={"start": "pnpm serve"}), "pnpm-lock.yaml": "lockfileVersion: '9.0'\n"})

    assert written(recipe).count("npm install --global --force --loglevel=error pnpm@10") == 2


def test_prisma_gets_openssl() -> None:
    """Prisma's engine needs a library that slim images lack."""
    text = written(node(package(scripts=START, dependencies={"@prisma/client": "6"})))

    assert text.count("--no-install-recommends openssl") == 2


def test_next_is_built_and_started() -> None:
    """A Next.js project is built with its cache kept, and started on the service's port."""
    recipe = node({**package(**NEXT), "package-lock.json": "{}"}, "nextjs")

    assert recipe.summary == "Next.js on Node 22 with package-lock.json"
    assert command(recipe) == ["next", "start", "-H", "0.0.0.0", "-p", "3000"]
    text = written(recipe)
    assert "RUN --mount=type=cache,id=hostess-shop-next,target=/app/.next/cache npm run build\n" in text
    assert "npm prune --omit=dev" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("next.config.js", 'module.exports = { output: "standalone" }'),
        ("next.config.mjs", "export default {\n  output: 'standalone',\n}"),
        ("next.config.ts", "const config: NextConfig = { output: `standalone` };"),
    ],
)
def test_next_standalone(name: str, text: str) -> None:
    """With standalone output only that is in the image, and Node starts it."""
    recipe = node({**package(**NEXT), "public/icon.png": "", name: text}, "nextjs")

    assert command(recipe) == ["node", "server.js"]
    dockerfile = written(recipe)
    assert "COPY --from=build --chown=node:node /app/.next/standalone ./\n" in dockerfile
    assert "/app/public ./public\n" in dockerfile
    assert "HOSTNAME=0.0.0.0" in dockerfile
    assert "/app ./\n" not in dockerfile


def test_next_standalone_without_public_files() -> None:
    """A folder that is not there is not copied."""
    files = {**package(**NEXT), "next.config.js": 'module.exports = { output: "standalone" }'}

    assert "public" not in written(node(files, "nextjs"))


@pytest.mark.parametrize("text", ['// output: "standalone"\n', '/* output: "standalone" */', 'x = { output: "other" }'])
def test_next_that_is_not_standalone(text: str) -> None:
    """A comment is no setting."""
    assert not node({**package(**NEXT), "next.config.js": text}, "nextjs").standalone


def test_next_with_a_server_of_its_own() -> None:
    """A start script that is not Next.js's own is kept, standalone or not."""
    content = {**NEXT, "scripts": {"build": "next build", "start": "node serve.js"}}
    files = {**package(**content), "next.config.js": 'module.exports = { output: "standalone" }'}

    recipe = node(files, "nextjs")

    assert command(recipe) == ["node", "serve.js"]
    assert not recipe.standalone


def test_next_without_scripts() -> None:
    """Without a build script Next.js's own command builds."""
    recipe = node(package(dependencies={"next": "15"}), "nextjs")

    assert recipe.build == ("next", "build")


def test_next_that_exports() -> None:
    """A project that makes static files is told to say so."""
    problem = refused("nextjs", {**package(**NEXT), "next.config.js": "module.exports = { output: 'export' }"})

    assert problem.code == "source-is-static"
    assert "type: static" in problem.remedy


@pytest.mark.parametrize("content", ["[]", '"x"', "1", '{"scripts": [], "engines": 3, "dependencies": []}', "{}"])
def test_strange_package_files(content: str) -> None:
    """A package.json that says nothing useful is no traceback."""
    problem = refused("custom", {"package.json": content})

    assert problem.code == "start-not-found"
    assert "start script" in problem.what


def test_a_broken_package_file() -> None:
    """A package.json that cannot be read is named."""
    problem = refused("custom", {"package.json": '{"scripts": '})

    assert problem.code == "package-json-invalid"
