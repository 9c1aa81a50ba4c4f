"""Run benchmarks and keep their tables, with the machine and the date, in RESULTS.md.

Usage: python benchmarks/run.py name ...; a name is that of a script beside this one. Its section is replaced, the others
stay. What a script prints is shown as it comes.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
HEAD = """# Measurements

Made by `make bench` and `make bench-peers`. Ratios are those of runs that alternate in time; processor time of one core
unless a row says otherwise. Each section says on what machine and when, and how many processes wanted a core then (load); on
another machine the ratios differ, mostly by the length of its vectors.
"""


def machine() -> str:
    """Return the processor with its vectors, and the versions of what counts."""
    model, vectors = platform.processor() or platform.machine(), ""
    try:
        text = Path("/proc/cpuinfo").read_text()
        model = re.search(r"model name\s*: (.*)", text)[1]  # type: ignore[index]
        flags = set(re.search(r"flags\s*: (.*)", text)[1].split())  # type: ignore[index]
        vectors = ", AVX-512" if "avx512f" in flags else ", AVX2" if "avx2" in flags else ""
    except (OSError, TypeError):
        pass
    from dynamics.compiled.kernels.jit import native_target

    target = native_target()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "sympy", "xarray"))
    return (f"{model} ({target.cpu}{vectors}: {target.width} doubles in a vector), {os.cpu_count()} cores, "
            f"{platform.system()}, Python {platform.python_version()}, {versions}, {target.version}")


def replaced(name: str, table: str) -> None:
    """Put a section in its place."""
    text = RESULTS.read_text() if RESULTS.exists() else HEAD
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    section = (f"## {name}\n\n{title(name)}\n\n{datetime.now(UTC):%Y-%m-%d}{load}. {machine()}.\n\n{table.strip()}\n")
    parts = re.split(r"(?m)^(?=## )", text)
    parts = [p for p in parts if not p.startswith(f"## {name}\n")]
    RESULTS.write_text("\n".join(p.strip() + "\n" for p in [*parts, section]))


def title(name: str) -> str:
    return (HERE / f"{name}.py").read_text().split('"""')[1].split("\n")[0]


def main(names: list[str]) -> None:
    failed = []
    for given in names:
        name, *options = given.split()
        lines = []
        command = [sys.executable, str(HERE / f"{name}.py"), *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        if process.returncode:
            failed.append(name)
        else:
            replaced(name, "".join(lines))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
