"""Run the fast tests with exactly the versions that setup.cfg names as the least: ``make test-minimum``.

    python tests/minimum_versions.py [arguments of pytest]

An environment of its own is made under build/minimum. A minimum that nobody ran is a guess.
"""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / "build" / "minimum"
NEWEST_PYTHON = (3, 12)  # for newer ones the least version of NumPy has no wheel
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9_-]+) *>= *(?P<version>[0-9]+(?:\.[0-9]+)*)")


def pins() -> list[str]:
    """Return ``name==version`` for each requirement of the package.

    Raises
    ------
    ValueError
        For a requirement without a least version.
    """
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].split("\n")
    result = []
    for line in filter(None, map(str.strip, lines)):
        found = REQUIREMENT.fullmatch(line)
        if found is None:
            raise ValueError(f"setup.cfg, install_requires: '{line}' names no least version; write name >= version")
        result.append(f"{found['name']}=={found['version']}")
    return result


def tools() -> list[str]:
    """Return the requirements of the tests."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return list(filter(None, map(str.strip, config["options.extras_require"]["test"].split("\n"))))


def main(arguments: list[str]) -> int:
    """Make the environment, install exactly the pins, run the tests."""
    if sys.version_info[:2] > NEWEST_PYTHON:
        newest = ".".join(map(str, NEWEST_PYTHON))
        sys.stderr.write(f"The least versions have wheels for Python 3.11 to {newest}; run make PYTHON=python{newest}\n")
        return 2
    python = ENVIRONMENT / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--only-binary", ":all:"]
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [*pip, *pins(), *tools()],
        [*pip, "--no-deps", "--editable", str(ROOT)],
        [str(python), "-m", "pip", "check"],
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses", "auto", "--dist", "worksteal",
         *arguments],
    ]
    for step in steps:
        done = subprocess.run(step, cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
