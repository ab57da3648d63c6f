"""loadtest.proc: what is read of /proc."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from loadtest.proc import (
    Machine,
    Neighbours,
    Stat,
    cpu_seconds,
    descendants,
    parse_machine,
    parse_rollup,
    parse_stat,
    rss_kib,
    tree,
)

TAIL = "S 41 43 43 0 -1 4194560 5196 8871 0 0 250 31 7 8 20 0 3 0 1234 33554432 2048 18446744073709551615"


@pytest.mark.parametrize("name", ["nginx", "a name", "a) b", "((", ")"], ids=repr)
def test_a_name_may_hold_anything(name: str) -> None:
    """The fields are counted from the last parenthesis: proc(5) does not escape the name."""
    assert parse_stat(f"43 ({name}) {TAIL}\n") == Stat(pid=43, parent=41, ticks=281)


def test_a_tree_is_the_process_and_all_that_came_of_it() -> None:
    """Children of children count, strangers and our own parent do not."""
    stats = [Stat(1, 0, 1), Stat(9, 4, 16), Stat(2, 1, 2), Stat(3, 2, 4), Stat(4, 3, 8)]

    assert [stat.pid for stat in descendants(2, stats)] == [2, 3, 4, 9]
    assert descendants(77, stats) == []


def test_resident_memory_is_the_line_rss() -> None:
    """Not Pss, and not Rss of another kind."""
    assert parse_rollup("55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss:     4242 kB\nPss:  999 kB\n") == 4242
    with pytest.raises(ValueError, match="Rss"):
        parse_rollup("Pss: 1 kB\n")


def test_the_machine_is_the_first_line_without_its_guests() -> None:
    """Guest time stands in user time already, so it is not added again; waiting and stolen time are not busy."""
    assert parse_machine("cpu  10 1 20 60 2 0 1 6 50 50\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == Machine(32, 6, 100)


def test_what_we_start_is_no_neighbour() -> None:
    """A child that burns a core, alive or ended, is not counted as a stranger."""
    neighbours = Neighbours()
    burn = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)

    others, steal = neighbours.look()

    assert 0.0 <= others <= (os.cpu_count() or 1)
    assert 0.0 <= steal <= 1.0


def test_a_real_child_uses_time_and_memory() -> None:
    """What a busy child of a child burns is counted for its grandparent."""
    burn = "import time\nuntil = time.process_time() + 0.2\nwhile time.process_time() < until: pass\ninput()"
    shell = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", shell], stdin=subprocess.PIPE) as child:
        until = time.monotonic() + 20
        while cpu_seconds(child.pid) < 0.2 and time.monotonic() < until:
            time.sleep(0.02)
        used, resident, size = cpu_seconds(child.pid), rss_kib(child.pid), len(tree(child.pid))
        child.communicate(b"\n", timeout=10)

    assert used >= 0.2
    assert resident > 4096
    assert size == 2
    assert tree(child.pid) == []
    assert child.pid != os.getpid()
