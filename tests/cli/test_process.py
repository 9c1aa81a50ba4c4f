"""The command line as a process: start-up, pipes, streams, terminals."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import dynamics as dy

DYNAMICS = [sys.executable, "-m", "dynamics"]


def started(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DYNAMICS, *arguments], capture_output=True, text=True, env={**os.environ, **environment},
                          timeout=60, check=False)


def test_version_imports_nothing_heavy() -> None:
    probe = ("import sys; from dynamics.cli import app; from typer.testing import CliRunner; "
             "result = CliRunner().invoke(app, ['--version']); "
             "heavy = {'numpy', 'sympy', 'scipy', 'xarray', 'matplotlib', 'pint'} & set(sys.modules); "
             "sys.exit(f'{heavy} {result.output}' if heavy or not result.output.startswith('dynamics ') else 0)")
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_json_is_alone_on_stdout() -> None:
    done = started("show", "deleveraging", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["name"] == "deleveraging"


def test_errors_go_to_stderr_without_a_traceback() -> None:
    done = started("show", "delevraging")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("Error: there is no model 'delevraging'. Did you mean 'deleveraging'? "
                           f"There are {', '.join(dy.models.names())}\n")


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_closed_pipe_is_no_error() -> None:
    with subprocess.Popen([*DYNAMICS, "show", "deleveraging", "--toml"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) in (0, 1)


def test_no_color_in_a_pipe_and_none_when_refused() -> None:
    assert "\x1b[" not in started("models").stdout
    assert "\x1b[3" not in started("models", NO_COLOR="1", FORCE_COLOR="1").stdout
