"""The matching of needs and products, held against its definition by trying everything, and against the textbook."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as every

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.market.matching import NO_LIMIT, Doors, Outcome, Wishes, match

Lot = tuple[int, bool] | None
"""A product and whether on a reserved seat."""


@dataclass(frozen=True)
class Town:
    """Needs by index: ``lists`` of products, the best first; ``asked`` in 分. Products by index: ``ranks`` orders the needs."""

    lists: list[list[int]]
    asked: list[int]
    first: list[bool]
    ranks: list[list[int]]
    seats: list[int]
    reserved: list[int]
    budget: list[int | None]

    def place(self, product: int, need: int) -> int:
        return self.ranks[product].index(need)

    def outcome(self) -> Outcome:
        wishes = [(need, product) for need, wanted in enumerate(self.lists) for product in wanted]
        return match(
            Wishes(
                np.cumsum([0, *map(len, self.lists)]),
                np.array([product for _, product in wishes], dtype=np.int64),
                np.array([self.place(product, need) for need, product in wishes], dtype=np.int64),
                np.array([self.asked[need] for need, _ in wishes], dtype=np.int64),
                np.array(self.first, dtype=np.bool_),
            ),
            Doors.sharing(
                np.array(self.seats, dtype=np.int64), np.array(self.reserved, dtype=np.int64),
                np.array([NO_LIMIT if money is None else money for money in self.budget], dtype=np.int64),
            ),
        )

    def lots(self, outcome: Outcome) -> list[Lot]:
        starts = np.cumsum([0, *map(len, self.lists)])
        return [
            None if row < 0 else (wanted[row - start], bool(kept))
            for wanted, row, kept, start in zip(self.lists, outcome.row, outcome.in_reserve, starts[:-1], strict=True)
        ]

    def would_take(self, lots: list[Lot], doors: Doors, need: int, product: int, reserve: bool) -> bool:
        """Whether that part takes the need beside those it holds there and ranks above it."""
        if reserve and not self.first[need]:
            return False
        above = [
            other for other, lot in enumerate(lots)
            if lot == (product, reserve) and self.place(product, other) < self.place(product, need)
        ]
        seats = (doors.reserved if reserve else doors.open_seats)[product]
        money = (doors.reserved_budget if reserve else doors.open_budget)[product]
        return len(above) < seats and sum(self.asked[other] for other in above) < money

    def stable(self, lots: list[Lot], doors: Doors) -> bool:
        """Every part keeps only what it would take, and no need and product would rather have each other."""
        for need, lot in enumerate(lots):
            if lot is not None and not self.would_take(lots, doors, need, *lot):
                return False
            for product in self.lists[need]:
                own = lot is not None and lot[0] == product
                if own and (not lot[1] and self.would_take(lots, doors, need, product, True)):
                    return False
                if own:
                    break
                if any(self.would_take(lots, doors, need, product, reserve) for reserve in (True, False)):
                    return False
        return True

    def liking(self, need: int, lot: Lot) -> tuple[int, bool]:
        """How a need likes a lot, smaller is better."""
        return (len(self.lists[need]), False) if lot is None else (self.lists[need].index(lot[0]), not lot[1])


@st.composite
def towns(draw: st.DrawFn, needs: int = 7, products: int = 4, *, money: bool = True, reserve: bool = True) -> Town:
    """A small town; amounts are few and small, so that budgets bite and ties in money occur."""
    count, doors = draw(st.integers(1, needs)), draw(st.integers(1, products))
    lists = [draw(st.permutations(range(doors)))[: draw(st.integers(0, doors))] for _ in range(count)]
    seats = [draw(st.integers(0, 3)) for _ in range(doors)]
    return Town(
        lists,
        [draw(st.integers(1, 6)) for _ in range(count)],
        [draw(st.booleans()) for _ in range(count)],
        [draw(st.permutations(range(count))) for _ in range(doors)],
        seats,
        [draw(st.integers(0, seat)) if reserve else 0 for seat in seats],
        [draw(st.none() | st.integers(1, 9)) if money else None for _ in range(doors)],
    )


@given(towns())
@settings(max_examples=150)
def test_nobody_is_left_who_would_rather_have_each_other(town: Town) -> None:
    outcome = town.outcome()
    lots = town.lots(outcome)
    assert town.stable(lots, outcome.doors)
    for index in range(len(town.seats)):
        for reserve in (True, False):
            held = sorted((n for n, lot in enumerate(lots) if lot == (index, reserve)), key=lambda n: town.place(index, n))
            seats = (outcome.doors.reserved if reserve else outcome.doors.open_seats)[index]
            money = (outcome.doors.reserved_budget if reserve else outcome.doors.open_budget)[index]
            assert len(held) <= seats
            assert all(town.first[need] for need in held) or not reserve
            # Money runs out in the middle of the last one at most, and no more is proposed than there is.
            assert not held or sum(town.asked[need] for need in held[:-1]) < money
            assert [outcome.granted[n] for n in held[:-1]] == [town.asked[n] for n in held[:-1]]
            assert sum(outcome.granted[need] for need in held) <= money
            assert all(outcome.granted[need] > 0 for need in held)
        # A reserve is only ever opened to others as far as first-time borrowers left it empty.
        assert outcome.doors.reserved[index] <= town.reserved[index]
        assert outcome.doors.open_seats[index] + outcome.doors.reserved[index] == town.seats[index]
    assert all(outcome.granted[need] == 0 for need, lot in enumerate(lots) if lot is None)


@given(towns(needs=4, products=3))
@settings(max_examples=50)
def test_no_stable_matching_is_better_for_any_need(town: Town) -> None:
    outcome = town.outcome()
    lots, doors = town.lots(outcome), outcome.doors
    choices = [
        [None, *((p, r) for p in wanted for r in ((True, False) if town.first[need] and doors.reserved[p] else (False,)))]
        for need, wanted in enumerate(town.lists)
    ]
    for other in every(*choices):
        if town.stable(list(other), doors):
            assert all(town.liking(need, lots[need]) <= town.liking(need, other[need]) for need in range(len(lots)))


def textbook(town: Town) -> list[int | None]:
    """Gale and Shapley's hospitals and residents, one proposal after the other."""
    held: list[list[int]] = [[] for _ in town.seats]
    waiting = [(need, list(wanted)) for need, wanted in enumerate(town.lists)]
    wishes = dict(waiting)
    while waiting:
        need, wanted = waiting.pop()
        if not wanted:
            continue
        door = wanted.pop(0)
        held[door] = sorted([*held[door], need], key=lambda one, door=door: town.place(door, one))
        if len(held[door]) > town.seats[door]:
            out = held[door].pop()
            waiting.append((out, wishes[out]))
    where = {need: door for door, needs in enumerate(held) for need in needs}
    return [where.get(need) for need in range(len(town.lists))]


@given(towns(money=False, reserve=False))
def test_without_money_limits_it_is_gale_and_shapley(town: Town) -> None:
    assert [lot and lot[0] for lot in town.lots(town.outcome())] == textbook(town)


@given(towns(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_the_rows_does_not_matter(town: Town, chance: object) -> None:
    order = list(range(len(town.lists)))
    chance.shuffle(order)
    moved = Town(
        [town.lists[need] for need in order], [town.asked[need] for need in order], [town.first[need] for need in order],
        [[order.index(need) for need in rank] for rank in town.ranks], town.seats, town.reserved, town.budget,
    )
    before, after = town.outcome(), moved.outcome()
    assert [town.lots(before)[need] for need in order] == moved.lots(after)
    assert [before.granted[need] for need in order] == list(after.granted)


@given(towns(reserve=False))
@settings(max_examples=60)
def test_one_more_need_never_helps_another(town: Town) -> None:
    without = Town(
        [*town.lists[:-1], []], town.asked, town.first, town.ranks, town.seats, town.reserved, town.budget,
    )
    fuller, emptier = town.lots(town.outcome()), without.lots(without.outcome())
    for need in range(len(town.lists) - 1):
        assert town.liking(need, emptier[need]) <= town.liking(need, fuller[need])


def test_first_time_borrowers_keep_their_seats_and_empty_ones_go_to_everybody() -> None:
    # One product with four seats, one of them reserved. The first-time borrower is ranked last and has the reserved seat.
    town = Town([[0]] * 5, [100] * 5, [False, False, False, False, True], [[0, 1, 2, 3, 4]], [4], [1], [None])
    assert town.lots(town.outcome()) == [(0, False), (0, False), (0, False), None, (0, True)]
    # Without any, the seat is not left empty.
    outcome = Town(town.lists, town.asked, [False] * 5, town.ranks, [4], [1], [None]).outcome()
    assert (outcome.row >= 0).sum() == 4 and outcome.doors.reserved[0] == 0 and outcome.runs == 2
    # Two first-time borrowers: one reserved seat, the other competes like everybody and loses to those ranked above.
    two = Town(town.lists, town.asked, [False, False, False, True, True], town.ranks, [4], [1], [None])
    assert two.lots(two.outcome()) == [(0, False), (0, False), (0, False), (0, True), None]


def test_money_runs_out_in_the_middle_of_one_need() -> None:
    # 500 of money for 300, 300 and 100 in this order: the second is proposed in part, the third has nothing.
    town = Town([[0], [0], [0]], [300, 300, 100], [False] * 3, [[0, 1, 2]], [9], [0], [500])
    outcome = town.outcome()
    assert list(outcome.granted) == [300, 200, 0]
    # A reserve takes its share of the money along: one of five seats is 100 of 500.
    shared = Doors.sharing(np.array([5]), np.array([1]), np.array([500]))
    assert (shared.reserved_budget[0], shared.open_budget[0]) == (100, 400)


def test_an_empty_round_has_an_empty_outcome() -> None:
    outcome = Town([], [], [], [], [], [], []).outcome()
    assert len(outcome.row) == 0 and outcome.rounds == 0
    assert list(Town([[], []], [1, 1], [True, False], [[0, 1]], [3], [1], [None]).outcome().row) == [-1, -1]
