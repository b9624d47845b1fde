"""A folder is served as it is, by parts or whole, and nothing outside of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from zvview.errors import InvalidInputError
from zvview.neuroglancer.serving import folders
from zvview.neuroglancer.serving.folders import ServedFile, ServedFolder

DATA = bytes(range(256)) * 4


@pytest.fixture
def served(tmp_path: Path) -> ServedFolder:
    (tmp_path / "image" / "c").mkdir(parents=True)
    (tmp_path / "image" / "c" / "0").write_bytes(DATA)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "image" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "image" / "up").symlink_to(tmp_path)
    (tmp_path / "image" / "within").symlink_to(tmp_path / "image" / "c" / "0")
    return ServedFolder(str(tmp_path / "image"))


def test_contents_come_whole_and_by_parts(served: ServedFolder) -> None:
    whole = served.answer("c/0", {})
    assert (whole.status, whole.body) == (200, DATA) and served.answer("within", {}).body == DATA
    assert served.answer("c/0", {"If-None-Match": whole.headers["ETag"]}).status == 304
    for asked, part in (("bytes=3-9", DATA[3:10]), ("bytes=1000-", DATA[1000:]), ("bytes=-5", DATA[-5:])):
        found = served.answer("c/0", {"Range": asked})
        assert (found.status, found.body) == (206, part)
        assert found.headers["Content-Range"].endswith(f"/{len(DATA)}")
    assert served.answer("c/0", {"Range": "bytes=3-9", "If-Range": whole.headers["ETag"]}).status == 206
    assert served.answer("c/0", {"Range": "bytes=3-9", "If-Range": '"another"'}).body == DATA
    assert served.answer("c/0", {"Range": "bytes=2000-3000"}).status == 416
    assert served.answer("c/0", {"Range": "lines=1-2"}).body == DATA


UPWARDS = ("../secret", "c/../../secret", "/etc/passwd", "..", "up/image/../secret", "out", "up/secret", "up")
NO_FILES = ("", "c//0", "c/./0", "c\\0", "c/0\0", "c", "nothing", "a" * 5000, "c/0/0", "caf\udce9")


@pytest.mark.parametrize("path", [*UPWARDS, *NO_FILES])
def test_nothing_else_is_read(served: ServedFolder, path: str) -> None:
    found = served.answer(path, {})
    assert found.status in (400, 404, 414) and b"secret" not in found.body


def test_of_a_file_nothing_beside_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_bytes(DATA)
    (tmp_path / "secret").write_bytes(b"secret")
    served = ServedFile(str(tmp_path / "mine.zip"), "export.zip")
    assert served.answer("export.zip", {}).body == DATA
    assert served.answer("export.zip", {"Range": "bytes=3-9"}).body == DATA[3:10]
    for path in (*UPWARDS, *NO_FILES, "mine.zip", "secret", "export.zip/", "export.zip/../secret"):
        assert served.answer(path, {}).status == 404
    (tmp_path / "mine.zip").unlink()
    assert served.answer("export.zip", {}).status == 404


def test_no_more_is_read_at_once_than_is_allowed(served: ServedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_BYTES", 100)
    assert served.answer("c/0", {}).status == 413
    assert served.answer("c/0", {"Range": "bytes=0-99"}).body == DATA[:100]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no such folder"):
        ServedFolder(str(tmp_path / "nothing"))
