"""What the compiled form of the proxy rests on."""

import ast
import re
from pathlib import Path

import hostess_proxy

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "proxy" / "hostess_proxy"


def compiled() -> set[str]:
    """Return the names of the modules that the build compiles."""
    listed = re.findall(r"COMPILED = \((.*?)\)", (ROOT / "scripts" / "build_hook.py").read_text(), re.DOTALL)
    return set(re.findall(r'"([\w/]+)"', listed[0]))


def classes(module: Path) -> dict[str, list[str]]:
    """Return the classes of a module with the names of their bases."""
    nodes = ast.walk(ast.parse(module.read_text()))
    return {node.name: [ast.unparse(base) for base in node.bases] for node in nodes if isinstance(node, ast.ClassDef)}


def test_modules_are_there() -> None:
    """Each module that is to be compiled exists."""
    assert {name for name in compiled() if not (SOURCES / f"{name}.py").is_file()} == set()


def test_heirs_are_compiled() -> None:
    """A class that inherits from a compiled one is compiled, too: an interpreted heir could not even be made."""
    native = {name for module in compiled() for name in classes(SOURCES / f"{module}.py")}
    heirs = {
        (module.stem, name)
        for module in SOURCES.rglob("*.py")
        if str(module.relative_to(SOURCES).with_suffix("")) not in compiled()
        for name, bases in classes(module).items()
        if native & set(bases)
    }
    assert heirs == set()


def test_one_form() -> None:
    """The proxy that is tested is the one of these sources, or a compiled copy of it."""
    there = Path(hostess_proxy.__file__).parent
    assert texts(there) == texts(SOURCES)


def texts(folder: Path) -> dict[Path, str]:
    """Return the sources below a folder."""
    return {path.relative_to(folder): path.read_text() for path in folder.rglob("*.py")}
