from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zvview.store.editing.journal_records import HEAD, key_of, measure_record, seal_record, split_records

RECORDS = st.lists(st.binary(max_size=40), max_size=4)


@given(RECORDS, st.data())
def test_records_are_read_up_to_the_first_that_is_torn_or_changed(records: list[bytes], data: st.DataObject) -> None:
    written = HEAD + b"".join(map(seal_record, records))
    assert list(split_records(written)) == records
    assert len(written) == len(HEAD) + sum(map(measure_record, records))
    ends = [len(HEAD) + sum(map(measure_record, records[:i])) for i in range(len(records) + 1)]
    cut = data.draw(st.integers(len(HEAD), len(written)))
    assert list(split_records(written[:cut])) == records[: sum(end <= cut for end in ends) - 1]
    if records:
        at = data.draw(st.integers(len(HEAD), len(written) - 1))
        changed = bytearray(written)
        changed[at] ^= 1 << data.draw(st.integers(0, 7))
        assert list(split_records(bytes(changed))) == records[: sum(end <= at for end in ends) - 1]


def test_a_record_that_claims_to_be_longer_than_anything_is_none() -> None:
    assert list(split_records(HEAD + b"\xff" * 100)) == []


def test_places_are_told_apart_and_addresses_are_not_taken_for_files() -> None:
    names = {key_of(place) for place in ("a", "b", "s3://bucket/a", "s3://bucket//a", "\udcff")}
    assert len(names) == 5 and key_of("x/../a") == key_of("a")
