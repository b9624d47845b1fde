"""Writing single objects of a bucket, on condition where it has to be: what a commit at an address is made of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from zvview.errors import UnsupportedError
from zvview.store.places.io_loop import gather_bounded, run_on_loop
from zvview.store.places.remote_errors import tell

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Bucket", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was found.

    Attributes
    ----------
    data : bytes
    version : str
        Its ETag, another one after it was written again.
    since : datetime
        When it was written, by the bucket's clock; with a time zone.
    """

    data: bytes
    version: str
    since: datetime


class Bucket:
    """The objects below an address.

    Parameters
    ----------
    place : str
        As shown in messages.
    store : obstore store

    Raises
    ------
    UnreachableError
        By all methods: it does not answer or refuses.
    """

    def __init__(self, place: str, store: Any) -> None:
        self.place, self._store = place, store

    def get(self, key: str) -> Stored | None:
        """An object, None where there is none."""
        with self._reported():
            try:
                return run_on_loop(self._get(key))
            except FileNotFoundError:
                return None

    def create(self, key: str, data: bytes) -> str | None:
        """Write an object where there is none; its version, None where there is one.

        Raises
        ------
        UnsupportedError
            The bucket knows no conditions.
        """
        return self._put_if(key, data, "create")

    def replace(self, key: str, data: bytes, version: str) -> str | None:
        """Write an object in place of one in this version; the new version, None where it is another by now."""
        return self._put_if(key, data, {"e_tag": version})

    def put_many(self, items: Mapping[str, Buffer]) -> None:
        """Write objects; all of them are tried before the first error is raised."""
        self._wave([partial(self._store.put_async, key, bytes(data)) for key, data in items.items()])

    def remove_many(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are as well."""
        self._wave([partial(self._store.delete_async, key) for key in keys])

    def _put_if(self, key: str, data: bytes, mode: object) -> str | None:
        from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

        with self._reported():
            try:
                answer = run_on_loop(self._put(key, data, mode))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                return None
            except (NotSupportedError, NotImplementedError) as error:
                raise no_conditions(self.place) from error
        return str(answer["e_tag"])

    def _wave(self, calls: Sequence[Callable[[], Any]]) -> None:
        async def attempt(call: Callable[[], Any]) -> Exception | None:
            try:
                await call()
            except FileNotFoundError:  # removed by someone else
                return None
            except Exception as error:  # told when all are through
                return error
            return None

        with self._reported():
            errors = run_on_loop(gather_bounded([partial(attempt, call) for call in calls]))
            for error in errors:
                if error is not None:
                    raise error

    async def _put(self, key: str, data: bytes, mode: object) -> Any:
        return await self._store.put_async(key, data, mode=mode, use_multipart=False)

    async def _get(self, key: str) -> Stored:
        answer = await self._store.get_async(key)
        meta = answer.meta
        return Stored(bytes(await answer.bytes_async()), str(meta["e_tag"]), meta["last_modified"])

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except BaseError as error:
            raise tell(self.place, error) from error


def no_conditions(place: str) -> UnsupportedError:
    """The error for a bucket in which two writers could not be kept apart."""
    return UnsupportedError(
        f"{place}: its server does not know conditional writes, without which two writers cannot be kept apart; copy "
        "the store, edit the copy, and copy it back"
    )
