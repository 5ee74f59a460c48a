"""A city is scored in chunks that several workers take at once."""

from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.credit.rules import NEIGHBOURS, chunks

NUMBERS = st.sets(st.integers(1, 700), max_size=300).map(sorted)


@given(NUMBERS, st.integers(1, 200))
def test_every_firm_is_in_one_chunk_and_two_chunks_at_once_share_no_lock(numbers: list[int], size: int) -> None:
    cut = chunks([(number, UUID(int=number)) for number in numbers], size)
    assert [firm.int for chunk in cut for firm in chunk] == numbers
    assert all(0 < len(chunk) <= size for chunk in cut)
    shared = [
        {firm.int // NEIGHBOURS for firm in one} & {firm.int // NEIGHBOURS for firm in other}
        for one, other in pairwise(cut)
    ]
    assert size < NEIGHBOURS or not any(shared)


def test_a_chunk_takes_as_many_neighbourhoods_as_fit() -> None:
    cut = chunks([(number, UUID(int=number)) for number in range(1, 400)], 150)
    assert [len(chunk) for chunk in cut] == [127, 128, 144]
