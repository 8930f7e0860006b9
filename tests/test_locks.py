"""Locks between threads and processes, and files written whole."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ei.platform import lock_file, write_file


def test_a_lock_keeps_others_out_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    inside: list[int] = []
    most = []

    def work() -> None:
        for _ in range(50):
            with lock_file(path):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), len(most)) == (1, 200)
    assert not path.exists()


def test_a_lock_that_is_not_given_up_is_a_timeout(tmp_path: Path) -> None:
    with lock_file(tmp_path / "lock"), pytest.raises(TimeoutError), lock_file(tmp_path / "lock", timeout=0.05):
        pass


def test_a_process_that_is_killed_gives_its_lock_back(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from ei.platform import lock_file\n"
        "with lock_file(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
    with lock_file(tmp_path / "lock", timeout=5):
        pass


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    with pytest.raises(OSError):
        write_file(folder, b"three")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]
