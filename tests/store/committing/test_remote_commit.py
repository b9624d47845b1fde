"""Commits at addresses, in a bucket in memory whose network fails between any two requests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import GenericError, NotSupportedError
from obstore.store import MemoryStore
from zarr.storage import ObjectStore

import zvview
from tests.store.committing.conftest import Versions, changes_between, content_of
from tests.store.editing.models import needed
from tests.store.places.conftest import Serving, serve
from zvview.errors import ConflictError, DamagedError, NotZarrVectorsError, UnreachableError, UnsupportedError
from zvview.store.committing.opening import open_commit
from zvview.store.committing.remote_lock import hold_bucket
from zvview.store.editing.session import EditSession
from zvview.store.locking import Holder
from zvview.store.places import remote
from zvview.store.places.bucket import Bucket
from zvview.store.places.redo_log import LOCK_KEY, LOG_KEY, Bundle, RedoLog
from zvview.store.places.remote import RemoteSource
from zvview.store.store import read_root
from zvview.testing import make_store

ADDRESS = "s3://bucket/s"
CALLS = ("get_async", "get_range_async", "head_async", "put_async", "delete_async", "list_with_delimiter_async")


class Network:
    """Requests to a bucket in memory; from number `at` on none is answered, the first of these done or not.

    Where the network is not `cut` all after the first are answered again.
    """

    def __init__(self) -> None:
        self.store: Any = MemoryStore()
        self.at, self.is_done, self.requests = -1, False, 0
        self.made_log = -1
        self.is_cut = True
        self.refuses_conditions = False
        self.forgets_conditions = False

    def clear(self, content: Any) -> None:
        """Begin again with these objects and a network that works."""
        self.store, self.at, self.requests = MemoryStore(), -1, 0
        for key, data in content.items():
            self.store.put(key, data)

    def held(self) -> dict[str, bytes]:
        """All objects that there are."""
        keys = [entry["path"] for entry in self.store.list().collect()]
        return {key: bytes(self.store.get(key).bytes()) for key in keys}

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.store, name)
        if name not in CALLS:
            return call

        async def ask(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            number, self.requests = self.requests, self.requests + 1
            if name == "put_async" and args[0] == LOG_KEY:
                self.made_log = number
            is_lost = 0 <= self.at <= number and (self.is_cut or number == self.at)
            if is_lost and not (self.is_done and number == self.at):
                raise GenericError("the wire is cut")
            if options.get("mode") not in (None, "overwrite"):
                if self.refuses_conditions:
                    raise NotSupportedError("no conditions")
                if self.forgets_conditions:
                    options["mode"] = "overwrite"
            answer = await call(*args, **options)
            if is_lost:
                raise GenericError("the answer is lost")
            return answer

        return ask


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, versions: Versions) -> Iterator[Network]:
    """The bucket behind every address, with the first version in it."""
    made = Network()
    made.clear(versions[0])
    monkeypatch.setattr(remote, "connect", lambda *args, **options: made)
    return made  # type: ignore[return-value]


def commit(versions: Versions, before: int, after: int) -> str:
    with open_commit(ADDRESS, "testing") as opened:
        changes = changes_between(versions[before], versions[after])
        opened.source.get_many([(key, None) for key in changes])
        return opened.apply(changes).note


def seen(versions: Versions) -> str:
    """What one who opens the store sees."""
    source = RemoteSource(ADDRESS)
    read_root(source)
    return versions.tell(content_of(source))


def test_all_changes_appear(network: Network, versions: Versions) -> None:
    for before, after in ((0, 1), (1, 2), (2, 0)):
        assert commit(versions, before, after) == ""
        assert versions.tell(network.held()) == seen(versions) == str(after)
    with zvview.open(ADDRESS) as store:
        assert isinstance(store, zvview.Store)
        assert len(store.attributes) == 2 and len(store.level(0).read()) == 40
        with open_commit(store._source, "testing") as opened:
            assert opened.apply({}).written_keys == 0
        with open_commit(store._source, "testing") as opened:
            opened.apply(changes_between(versions[0], versions[1]))
        assert len(store.attributes) == 0 and len(store.level(0).read()) == 41


@pytest.mark.parametrize("is_done", [False, True])
def test_a_network_that_is_lost_at_any_request_loses_nothing(
    network: Network, versions: Versions, is_done: bool
) -> None:
    network.requests = 0
    commit(versions, 0, 1)
    outcomes = set()
    for at in range(network.requests):
        network.clear(versions[0])
        network.at, network.is_done = at, is_done
        try:
            outcome = "saved" if not commit(versions, 0, 1) else "noted"
        except UnreachableError as error:
            outcome = "unknown" if "whether they are shows" in str(error) else "refused"
        outcomes.add(outcome)
        network.at = -1
        found = seen(versions)
        assert found in {"saved": "1", "noted": "1", "refused": "0", "unknown": "01"}[outcome]
        is_pending = LOG_KEY in network.held()
        assert not is_pending or found == "1"
        with open_commit(ADDRESS, "finishing") as opened:
            assert versions.tell(content_of(opened.source)) == found
        assert versions.tell(network.held()) == found
    assert outcomes == {"refused", "noted", "saved", "unknown"}


@pytest.mark.parametrize("is_done", [False, True])
def test_a_network_that_fails_once_loses_nothing(network: Network, versions: Versions, is_done: bool) -> None:
    network.requests, network.is_cut = 0, False
    commit(versions, 0, 1)
    outcomes = set()
    for at in range(network.requests):
        network.clear(versions[0])
        network.at, network.is_done = at, is_done
        try:
            outcome = "saved" if not commit(versions, 0, 1) else "noted"
        except UnreachableError as error:
            outcome = "unknown" if "whether they are shows" in str(error) else "refused"
        outcomes.add(outcome)
        network.at = -1
        assert seen(versions) == ("0" if outcome == "refused" else "1")
        with open_commit(ADDRESS, "finishing") as opened:
            assert versions.tell(content_of(opened.source)) == seen(versions)
        assert versions.tell(network.held()) == seen(versions)
    assert outcomes == {"refused", "noted", "saved"}


def test_a_store_that_was_opened_while_a_commit_was_pending_sees_it_end(network: Network, versions: Versions) -> None:
    network.requests = 0
    commit(versions, 0, 1)
    count = network.requests
    network.clear(versions[0])
    network.at = count - 12
    assert "the changes are saved" in commit(versions, 0, 1)
    network.at = -1
    with zvview.open(ADDRESS) as store:
        assert isinstance(store, zvview.Store)
        source = store._source
        assert len(store.level(0).read()) == 41 and not store.attributes
        keys = sorted({*versions[0], *versions[1]})
        assert source.stat_many(keys) == [len(versions[1][key]) if key in versions[1] else None for key in keys]
        (part,) = source.get_many([("0/vertices/c/0/0", (3, 9))])
        assert bytes(part or b"") == versions[1]["0/vertices/c/0/0"][3:9]
        assert "vertex_attributes" not in source.list_names("0")
        commit(versions, 1, 2)
        assert versions.tell(content_of(source)) == "2"
    assert not list(zvview.check(ADDRESS))


def test_a_pending_commit_is_not_read_past(network: Network, versions: Versions) -> None:
    network.store.put(LOG_KEY, Bundle(RedoLog.describe("0" * 16, {}, frozenset({"0/zarr.json"})), {}).encode())
    with pytest.raises(UnreachableError, match="a commit was interrupted there"):
        zvview.open(ObjectStore(network.store))
    with zvview.open(ADDRESS) as store:
        assert store._source.get_many([("0/zarr.json", None)]) == [None]


def test_of_two_writers_one_is_told_of_the_other(network: Network, versions: Versions) -> None:
    with open_commit(ADDRESS, "editing points"):
        with pytest.raises(ConflictError, match=r"itself has been editing points since .* last sign 0 s ago"):
            commit(versions, 0, 1)
        assert versions.tell(content_of(RemoteSource(ADDRESS))) == "0"  # the lock is not listed
    assert commit(versions, 0, 1) == ""


@pytest.mark.parametrize("why", ["its process is gone", "it is old", "nobody can read it"])
def test_a_dead_lock_is_taken_over(
    network: Network, versions: Versions, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = socket.gethostname() if why == "its process is gone" else "elsewhere"
    note = Holder(2**30 - 1, host, "2026-01-01", "sleeping", "0123-0").encode()
    network.store.put(LOCK_KEY, b"?" if why == "nobody can read it" else note)
    if why != "its process is gone":
        with pytest.raises(ConflictError, match=r"sleeping|another process is changing"):
            commit(versions, 0, 1)
        monkeypatch.setattr("zvview.store.committing.remote_lock._age_of", lambda found: 901.0)
    assert commit(versions, 0, 1) == ""
    assert versions.tell(network.held()) == "1"


def test_who_was_taken_for_dead_overwrites_nothing(network: Network, versions: Versions) -> None:
    with open_commit(ADDRESS, "sleeping") as opened:
        note = Holder(os.getpid(), "elsewhere", "2026-01-01", "awake", "0123-0").encode()
        network.store.put(LOCK_KEY, note)
        with pytest.raises(ConflictError, match="another has taken over its lock"):
            opened.apply(changes_between(versions[0], versions[1]))
    assert network.held()[LOCK_KEY] == note
    network.store.delete(LOCK_KEY)
    assert versions.tell(network.held()) == "0"


def test_what_changed_since_it_was_read_is_a_conflict(network: Network, versions: Versions) -> None:
    changes = changes_between(versions[0], versions[1])
    with open_commit(ADDRESS, "testing") as opened:
        opened.source.get_many([(key, None) for key in changes])
        network.store.put("0/vertices/c/0/0", b"theirs")
        with pytest.raises(ConflictError, match="has changed 0/vertices/c/0/0 since it was read"):
            opened.apply(changes)
    assert network.held() == {**versions[0], "0/vertices/c/0/0": b"theirs"}


def test_a_log_that_is_not_ours_is_a_conflict(network: Network, versions: Versions) -> None:
    with open_commit(ADDRESS, "testing") as opened:
        network.store.put(LOG_KEY, b"theirs")
        with pytest.raises(ConflictError, match="has begun a commit of its own"):
            opened.apply(changes_between(versions[0], versions[1]))
    assert network.held() == {**versions[0], LOG_KEY: b"theirs"}


def test_a_damaged_log_is_an_error_and_never_a_guess(network: Network, versions: Versions) -> None:
    network.at = 0
    whole = b""
    for at in range(10, 200):
        network.clear(versions[0])
        network.at = at
        try:
            commit(versions, 0, 1)
        except UnreachableError:
            continue
        whole = network.held()[LOG_KEY]
        break
    network.at = -1
    for damaged in (whole[:-1], whole + b" ", whole[:20], b"", whole[:-1] + b"?"):
        network.clear({**versions[0], LOG_KEY: damaged})
        with pytest.raises(DamagedError, match="zvview/commit"):
            commit(versions, 0, 1)
        if damaged:
            with pytest.raises(DamagedError):
                zvview.open(ADDRESS)
        assert network.held() == {**versions[0], LOG_KEY: damaged}


@pytest.mark.parametrize("how", ["refuses_conditions", "forgets_conditions"])
def test_a_server_that_knows_no_conditions_is_refused_before_any_work(
    network: Network, versions: Versions, how: str
) -> None:
    setattr(network, how, True)
    with pytest.raises(UnsupportedError, match="does not know conditional writes"):
        commit(versions, 0, 1)
    assert versions.tell(network.held()) == "0"


def test_where_no_store_is_there_is_nothing_to_change(network: Network) -> None:
    network.clear({"a": b"precious"})
    with pytest.raises(NotZarrVectorsError), open_commit(ADDRESS, "testing"):
        pass
    assert network.held() == {"a": b"precious"}


def test_a_web_server_is_refused_before_any_work(network: Network) -> None:
    with pytest.raises(UnsupportedError, match="web servers are read only"), open_commit("http://a.b/s", "testing"):
        pass
    assert network.requests == 0


def test_a_lock_is_renewed_only_where_it_is_time(network: Network) -> None:
    with hold_bucket(Bucket(ADDRESS, network), "testing") as lock:
        before = network.held()[LOCK_KEY]
        lock.renew_now_and_then()
        assert network.held()[LOCK_KEY] == before
        lock.renew()
        assert network.held()[LOCK_KEY] != before
    assert LOCK_KEY not in network.held()


def test_a_holder_that_slept_finds_out_that_it_was_taken_for_dead(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept_s, clock_s = 0.0, time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: clock_s(clock) + slept_s)  # monotonic stands still
    wall_s = time.time
    monkeypatch.setattr(time, "time", lambda: wall_s() + slept_s)
    bucket = Bucket(ADDRESS, network)
    with hold_bucket(bucket, "saving edits") as lock:
        lock.renew_now_and_then()
        slept_s = 7200.0
        monkeypatch.setattr("zvview.store.committing.remote_lock._age_of", lambda found: 7200.0)
        with hold_bucket(bucket, "saving others"), pytest.raises(ConflictError, match="has taken over its lock"):
            lock.renew_now_and_then()


@pytest.mark.parametrize("is_done", [False, True])
def test_a_lock_whose_renewal_got_no_answer_is_still_its_own(network: Network, is_done: bool) -> None:
    bucket = Bucket(ADDRESS, network)
    with hold_bucket(bucket, "testing") as lock:
        network.at, network.is_done = network.requests, is_done
        with pytest.raises(UnreachableError):
            lock.renew()
        network.at = -1
        lock.renew()
        with pytest.raises(ConflictError), hold_bucket(bucket, "coming late"):
            pass
    assert LOCK_KEY not in network.held()


def test_a_lock_that_could_not_be_removed_is_this_process_s_to_take(network: Network) -> None:
    bucket = Bucket(ADDRESS, network)
    with hold_bucket(bucket, "testing"):
        network.at = network.requests
    network.at = -1
    assert LOCK_KEY in network.held()
    with hold_bucket(bucket, "testing again"):
        pass
    assert LOCK_KEY not in network.held()


def test_a_bucket_behind_a_server(versions: Versions) -> None:
    with serve(Serving({f"s/{key}": data for key, data in versions[0].items()}, conditions=True)) as serving:
        options = {"endpoint": serving.address.removesuffix("/data")}
        with open_commit("s3://data/s", "testing", storage_options=options) as opened:
            with (
                pytest.raises(ConflictError, match="this process itself has been testing"),
                open_commit("s3://data/s", "coming late", storage_options=options),
            ):
                pass
            assert versions.tell(content_of(opened.source)) == "0"
            opened.apply(changes_between(versions[0], versions[1]))
        assert versions.tell({key.removeprefix("s/"): data for key, data in serving.objects.items()}) == "1"
        with open_commit("s3://data/s", "testing", storage_options=options) as opened:
            opened.source.get_many([("0/zarr.json", None)])
            serving.objects["s/0/zarr.json"] = b"theirs"
            with pytest.raises(ConflictError, match=r"has changed 0/zarr.json since"):
                opened.apply({"0/zarr.json": b"ours"})
        serving.conditions = False
        with (
            pytest.raises(UnsupportedError, match="does not know conditional writes"),
            open_commit("s3://data/s", "testing", storage_options=options),
        ):
            pass
        assert serving.objects["s/0/zarr.json"] == b"theirs" and "s/zvview/commit/lock" not in serving.objects


@pytest.fixture
def small(network: Network) -> tuple[dict[str, bytes], list[float], int]:
    """A store of 40 points in the bucket, a place for one more, and the request that makes a commit of it final."""
    held: dict[str, bytes] = {}
    make_store(held, "point_cloud", size=40, ndim=2, chunk_shape=(500, 500)).close()
    network.clear(held)
    with zvview.open(ADDRESS) as store:
        assert isinstance(store, zvview.Store)
        new = store.level(0).read().positions[:2].mean(axis=0).tolist()
        session = store.edit()
        session.add([new], attributes=needed(session))
        network.requests = 0
        session.commit()
    assert network.made_log > 0
    return held, new, network.made_log


@contextlib.contextmanager
def broken_off(network: Network, held: dict[str, bytes], new: list[float], at: int) -> Iterator[EditSession]:
    """A session of which a commit was tried, and the network works again."""
    network.clear(held)
    with zvview.open(ADDRESS) as store:
        assert isinstance(store, zvview.Store)
        session = store.edit()
        session.add([new], attributes=needed(session))
        network.requests, network.at = 0, at
        with contextlib.suppress(UnreachableError):
            session.commit()
        network.at = -1
        yield session
        session.close()


def count(place: str) -> int:
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        return store.level(0).vertex_count


@pytest.mark.parametrize("is_done", [False, True])
def test_edits_of_which_no_answer_told_whether_they_were_saved_are_saved_once(
    network: Network, small: tuple[dict[str, bytes], list[float], int], is_done: bool
) -> None:
    held, new, final = small
    network.is_done = is_done
    for at in range(final - 4, final + 14):
        with broken_off(network, held, new, at) as session:
            assert session.is_changed == (at <= final), "the network was cut where it matters"
            session.commit()
            assert not session.is_changed and session.find_unsaved() == ()
        assert count(ADDRESS) == 41


def test_a_copy_made_after_such_a_try_holds_the_edits_once(
    network: Network, small: tuple[dict[str, bytes], list[float], int], tmp_path: Path
) -> None:
    held, new, final = small
    network.is_done = True
    for at in (final - 1, final):
        copy = str(tmp_path / f"{at}.zarrvectors")
        with broken_off(network, held, new, at) as session:
            assert ("saved by the try before" in session.commit(to=copy).note) == (at == final)
            assert count(copy) == 41 and session.is_changed
            session.discard()
