"""One holder at a time, between real processes, whatever lies at the path of the lock and whoever died with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zvview.errors import UnreachableError
from zvview.store.places.lock_file import LockFile

_COUNT = """
import sys
from pathlib import Path
from zvview.store.places.lock_file import LockFile
counter, left = Path(sys.argv[2]), int(sys.argv[3])
while left:
    lock = LockFile(sys.argv[1])
    if lock.is_held:
        number = int(counter.read_text())
        lock.write(str(number).encode())
        assert lock.read() == str(number).encode()
        counter.write_text(str(number + 1))
        left -= 1
    lock.release()
"""


def test_processes_that_come_and_go_never_hold_it_together(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    counter.write_text("0")
    command = [sys.executable, "-c", _COUNT, str(tmp_path / "lock"), str(counter), "100"]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert counter.read_text() == "300"
    assert [p.name for p in tmp_path.iterdir()] == ["count"]


def test_the_note_of_a_holder_can_be_read_and_goes_with_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = LockFile(path)
    first.write(b"a long first note")
    first.write(b"mine")
    second = LockFile(path)
    assert (first.is_held, second.is_held) == (True, False)
    assert second.read() == b"mine"
    second.release()
    first.release()
    third = LockFile(path)
    assert third.is_held
    assert third.read() == b""
    third.release()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_left_is_taken_over_with_its_note(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"dead")
    lock = LockFile(str(path))
    assert lock.is_held
    assert lock.is_own
    assert lock.read() == b"dead"
    lock.release()
    assert not path.exists()


def test_anothers_file_at_the_path_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = LockFile(str(path))
    path.unlink()  # by hand, against all advice
    second = LockFile(str(path))
    assert second.is_held
    first.release()
    assert path.exists()
    assert not LockFile(str(path)).is_held
    second.release()
    assert not path.exists()


def test_a_note_that_others_may_have_written_is_not_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"planted")
    path.chmod(0o666)
    lock = LockFile(str(path))
    assert lock.is_held
    assert not lock.is_own
    lock.release()


@pytest.mark.parametrize("what", ["folder", "link", "fifo", "nowhere"])
def test_what_is_no_lock_file_is_told(tmp_path: Path, what: str) -> None:
    path, other = tmp_path / "lock", tmp_path / "other"
    other.write_text("precious")
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(other)
    elif what == "fifo":
        os.mkfifo(path)
    else:
        path = tmp_path / "none" / "lock"
    with pytest.raises(UnreachableError, match=r"cannot lock .*lock: "):
        LockFile(str(path))
    assert other.read_text() == "precious"


def test_a_file_of_another_user_that_nobody_holds_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"theirs")
    theirs, really_open = path.stat().st_ino, os.open

    def refuse(name: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR and os.path.exists(name) and os.stat(name).st_ino == theirs:
            raise PermissionError(13, "Permission denied")
        return really_open(name, flags, mode)

    other = LockFile(str(path))
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        seen = LockFile(str(path))
        assert not seen.is_held
        assert seen.read() == b"theirs"
        seen.release()
        os.close(other._handle)  # as the system does when that one dies
        lock = LockFile(str(path))
    assert lock.is_held
    assert lock.read() == b""
    lock.release()
    assert list(tmp_path.iterdir()) == []
