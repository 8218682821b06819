"""The kernel's control groups as files of a test's own (version 1, under the engine's own driver)."""

from pathlib import Path


def used(root: Path, container: str, cpu: int, memory: int = 1000) -> None:
    """Write that a container has used so many seconds of CPU and uses so many bytes of memory."""
    files = {
        "cpuacct": {"cpuacct.usage": f"{cpu * 10**9}\n"},
        "memory": {"memory.usage_in_bytes": f"{memory}\n", "memory.stat": "total_inactive_file 0\n"},
    }
    for hierarchy, texts in files.items():
        folder = root / hierarchy / "docker" / container
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
