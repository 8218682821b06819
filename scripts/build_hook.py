"""What a build of the wheel does besides packing: with HOSTESS_COMPILE=1 it compiles the proxy's hot path by mypyc.

Without it nothing is compiled and no compiler is needed. The sources are in the wheel either way; where a compiled module stands
beside them, Python takes that one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What runs for every request. A class that inherits from one of theirs must be in the list, too. A slice of bytes in them must not
# begin behind its end, nor behind the end of the bytes: mypyc does not take that for an empty one, it raises SystemError.
COMPILED = (
    "downstream",
    "exchange",
    "http1/composing",
    "http1/field_lines",
    "http1/headers",
    "http1/heads",
    "inside/client",
    "targets",
    "telemetry/log_lines",
    "tls/client",
    "traffic",
    "upstream",
)


def is_asked_for() -> bool:
    """Whether the proxy is to be compiled."""
    return os.environ.get("HOSTESS_COMPILE") == "1"


class CompiledProxy(BuildHookInterface[Any]):
    """Adds the compiled modules to a wheel."""

    _folder: Path | None = None

    def dependencies(self) -> list[str]:
        """Return what compiling needs."""
        return ["mypy>=1.19", "setuptools>=77"] if is_asked_for() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile in a copy, and have the results packed. An editable installation stays as it is: sources are edited there."""
        if version == "editable" or not is_asked_for():
            return
        self._folder = folder = Path(tempfile.mkdtemp(prefix="hostess-compile-"))
        shutil.copytree(Path(self.root) / "proxy" / "hostess_proxy", folder / "hostess_proxy")
        files = [f"hostess_proxy/{name}.py" for name in COMPILED]
        subprocess.run([sys.executable, "-m", "mypyc", *files], cwd=folder, check=True, stdout=sys.stderr)
        made = [*folder.glob("*.so"), *(folder / "hostess_proxy").rglob("*.so")]
        build_data["force_include"].update({str(path): str(path.relative_to(folder)) for path in made})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the copy."""
        del version, build_data, artifact_path
        if self._folder is not None:
            shutil.rmtree(self._folder)
