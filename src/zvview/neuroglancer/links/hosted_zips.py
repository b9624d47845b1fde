"""One member of a zip on the web, without the rest of it: what is needed is asked for in ranges."""

from __future__ import annotations

import io
import re
import urllib.error
import urllib.request
import zipfile
import zlib
from typing import Any, Final

from zvview.errors import BadFileError, UnreachableError, UnsupportedError, ZvviewError

__all__ = ["read_member"]

_TOTAL: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_BUFFER: Final = 64 << 10  # bytes that are asked for at a time: the list of members lies in the last ones of most zips


def read_member(url: str, name: str, most: int, *, wait_s: float) -> bytes:
    """The first `most` bytes of a member.

    Parameters
    ----------
    url : str
        With http or https.
    name : str
    most : int
    wait_s : float
        For each answer.

    Raises
    ------
    UnreachableError
    UnsupportedError
        The host does not give parts of files.
    BadFileError
        No zip, or one without such a member.
    """
    try:
        with io.BufferedReader(_Ranges(url, wait_s), _BUFFER) as file, zipfile.ZipFile(file) as archive:
            if name not in archive.namelist():
                raise BadFileError(url, f"no export: there is no {name} in it")
            with archive.open(name) as member:
                return member.read(most)
    except ZvviewError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
        raise BadFileError(url, f"no zip of an export: {error}") from error
    except urllib.error.HTTPError as error:
        raise UnreachableError(f"{url}: {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise UnreachableError(f"{url}: {getattr(error, 'reason', error)}") from error


class _Ranges(io.RawIOBase):
    """A file on the web that is read in ranges."""

    def __init__(self, url: str, wait_s: float) -> None:
        self._url, self._wait_s, self._at = url, wait_s, 0
        _, self._size = self._ask(0, 1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._size - self._at)
        if count <= 0:
            return 0
        body, _ = self._ask(self._at, count)
        buffer[: len(body)] = body
        self._at += len(body)
        return len(body)

    def _ask(self, start: int, count: int) -> tuple[bytes, int]:
        """Some bytes, and how many there are of all."""
        asked = urllib.request.Request(self._url, headers={"Range": f"bytes={start}-{start + count - 1}"})
        with urllib.request.urlopen(asked, timeout=self._wait_s) as reply:
            told = _TOTAL.fullmatch(reply.headers.get("Content-Range", ""))
            length = reply.headers.get("Content-Length", "")
            if reply.status == 200 and start == 0 and length.isdigit() and int(length) <= count:  # all was asked for
                return reply.read(count), int(length)
            if reply.status != 206 or told is None:
                raise UnsupportedError(
                    f"{self._url}: its host gives no parts of files (Range), without which Neuroglancer reads no zips; "
                    "host a directory instead"
                )
            body: bytes = reply.read(count)
        return body, int(told[3])
