import math
import operator
import signal
import subprocess
import sys
import time

import pytest
from sympy import Symbol, expand

from dynamics.errors import DerivationError
from dynamics.symbolic.timelimit import size_estimate, with_time_limit


def test_returns_and_raises_what_the_function_does():
    x = Symbol("x")
    assert with_time_limit(expand, (x + 1) ** 2, seconds=60) == x**2 + 2 * x + 1
    with pytest.raises(ZeroDivisionError):
        with_time_limit(operator.truediv, 1, 0, seconds=60)


def test_time_is_kept():
    start = time.monotonic()
    with pytest.raises(DerivationError, match=r"within 0\.5 s"):
        with_time_limit(time.sleep, 30, seconds=0.5)
    assert time.monotonic() - start < 10


def test_what_cannot_be_sent():
    with pytest.raises(DerivationError, match="cannot be sent"):
        with_time_limit(lambda: 1, seconds=5)


def test_a_dying_child_is_reported():
    with pytest.raises(DerivationError, match="failed"):
        with_time_limit(sys.exit, 3, seconds=60)


SCRIPT = """
import math
from dynamics.symbolic.timelimit import with_time_limit
assert with_time_limit(math.factorial, 4, seconds=60) == 24
import sys
sys.stdout.write("once ")
"""


@pytest.mark.slow
def test_script_without_main_guard(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=120, env=_environment())
    assert (done.stdout, done.returncode) == ("once ", 0), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_interrupt_stops_the_child(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(
        "import sys, time\n"
        "from dynamics.symbolic.timelimit import with_time_limit\n"
        "sys.stdout.write('ready\\n'); sys.stdout.flush()\n"
        "try:\n    with_time_limit(time.sleep, 60, seconds=90)\n"
        "except KeyboardInterrupt:\n    sys.stdout.write('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True, env=_environment())
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert output == "interrupted"
    assert time.monotonic() - start < 10


def _environment():
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}


def test_size_estimate():
    x = Symbol("x")
    assert size_estimate([x]) == 1
    assert size_estimate([math.prod([x + index for index in range(1, 4)])]) == 10
