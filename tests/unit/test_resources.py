"""The account of a program is its own: time, processor time, memory, exit code."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.evaluation.resources import (
    COULD_NOT_START,
    ResourceUse,
    measure_command,
)

MEGABYTE = 1_000_000


def measure(code: str, **environment: str) -> ResourceUse:
    return measure_command([sys.executable, "-S", "-c", code], environment=environment)


def test_sleeping_takes_seconds_but_no_processor():
    use = measure("import time; time.sleep(0.8)")
    assert use.seconds >= 0.8
    assert use.cpu_seconds < 0.5


def test_computing_takes_the_processor_seconds_that_it_says():
    use = measure("import time\nwhile time.process_time() < 0.6: pass")
    assert 0.6 <= use.cpu_seconds < 1.2


def test_work_of_a_child_counts():
    code = "import time\nwhile time.process_time() < 0.6: pass"
    use = measure(
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    )
    assert use.cpu_seconds >= 0.6


def test_memory_is_that_of_the_program():
    # Two sizes of one program differ by what it allocates, whatever Python needs.
    small, large = (
        measure(f"block = bytearray({size} * {MEGABYTE})").peak_bytes
        for size in (1, 150)
    )
    assert large - small == pytest.approx(149 * MEGABYTE, rel=0.05)


def test_a_large_caller_does_not_make_the_program_large():
    ballast = np.ones(400 * MEGABYTE // 8)
    use = measure("pass")
    assert use.peak_bytes < 100 * MEGABYTE < ballast.nbytes


def test_the_exit_code_and_the_words_of_the_program_are_kept():
    use = measure(
        "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    )
    assert use.exit_code == 3
    assert sorted(use.output.split()) == ["one", "two"]


def test_a_program_ended_by_a_signal_has_its_negative_number():
    use = measure("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert use.exit_code == -signal.SIGKILL


def test_the_environment_is_passed_on():
    use = measure(
        "import os; print(os.environ['CRYO_WORD'], os.environ['PATH'])", CRYO_WORD="ice"
    )
    assert use.output.split()[0] == "ice"
    assert use.output.strip().endswith(os.environ["PATH"])


def test_a_program_that_is_not_there_is_told_apart():
    use = measure_command(["/no/such/program"], environment={})
    assert use.exit_code == COULD_NOT_START
    assert "/no/such/program: No such file or directory" in use.output


def test_an_interrupt_ends_the_program(tmp_path: Path):
    note = tmp_path / "pid"
    code = (
        f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)"
    )

    def interrupt(*_: object) -> None:
        # As Ctrl-C would, once the program runs.
        if note.exists() and note.read_text():
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, 0.1)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            measure(code)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert _gone(int(note.read_text()))


def _gone(pid: int) -> bool:
    """Whether a process ends within some seconds; a zombie has ended."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
