"""Deferred acceptance between needs and products: needs propose, products keep the best within seats and money. Pure, on arrays.

A product has two parts: seats reserved for first-time borrowers with their share of its money, and open seats. A first-time
borrower knocks at the reserved part first, then at the open one. **A part takes a need as long as those it ranks strictly above
that need and that knock there too fill fewer than its seats and less than its money.** So the last one taken may ask for more
than is left; it is then proposed in part. (With a hard budget a stable matching need not exist at all; this rule gives one.)
What a part takes is a beginning of its own ranking: it depends neither on the order of arrival nor on whom it turned away, so the
outcome is stable, the best one for every need, and the same however the rows are ordered (Gale and Shapley 1962; substitutable
choices after Hatfield and Milgrom 2005). Without money limits it is theirs with seats.

A reserve that nobody waits for is freed as far as it stands empty, and the matching runs again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NO_LIMIT = np.int64(2**62)
"""The budget of a product that names none."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Wishes of all needs one after the other: those of need ``i`` are the rows ``starts[i]:starts[i + 1]``, the best first.

    ``product``: index of the product, at most once a need. ``place``: where that product ranks the need, smaller is better, no
    two needs alike at one product. ``asked``: 分 that the need asks of it, more than 0. ``first``: one a need, whether it is a
    first-time borrower's.
    """

    starts: Ints
    product: Ints
    place: Ints
    asked: Ints
    first: Bools


@dataclass(frozen=True, slots=True)
class Doors:
    """One row a product: ``seats``, of them ``reserved`` for first-time borrowers; ``budget`` in 分 (or ``NO_LIMIT``), of it
    ``reserved_budget`` for the reserved seats."""

    seats: Ints
    reserved: Ints
    budget: Ints
    reserved_budget: Ints

    @classmethod
    def sharing(cls, seats: Ints, reserved: Ints, budget: Ints) -> Doors:
        """Reserved seats with their share of the money, rounded down."""
        # Divided before it is multiplied: a budget times its seats would not fit into 64 bits.
        whole, rest = np.divmod(budget, np.maximum(seats, 1))
        share = whole * reserved + rest * reserved // np.maximum(seats, 1)
        return cls(seats, reserved, budget, np.where(budget == NO_LIMIT, np.where(reserved > 0, NO_LIMIT, 0), share))

    @property
    def open_seats(self) -> Ints:
        """Seats for everybody."""
        return self.seats - self.reserved

    @property
    def open_budget(self) -> Ints:
        """Money for everybody."""
        return np.where(self.budget == NO_LIMIT, NO_LIMIT, self.budget - self.reserved_budget)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``row``: the wish that each need got (index into ``Wishes``), -1 for none; ``in_reserve``: whether on a reserved seat;
    ``granted``: 分 proposed, less than asked for the last one of a budget; ``doors``: the seats after empty reserves were freed;
    ``runs``: how often deferred acceptance ran; ``rounds``: its rounds of proposals in all."""

    row: Ints
    in_reserve: Bools
    granted: Ints
    doors: Doors
    runs: int
    rounds: int


def places(product: Ints, score: Ints, tie: Ints) -> Ints:
    """Where each wish's product ranks it, from 0: the higher score first, then the smaller ``tie`` (one a need, no two alike)."""
    order = np.lexsort((tie, -score, product))
    sorted_product = product[order]
    heads = np.searchsorted(sorted_product, sorted_product)
    found = np.empty(len(product), dtype=np.int64)
    found[order] = np.arange(len(product)) - heads
    return found


def match(wishes: Wishes, doors: Doors) -> Outcome:
    """The stable matching that is best for every need. Same input, same outcome."""
    runs = rounds = 0
    while True:
        knocks = _knocks(wishes, doors)
        parts = _Parts(np.concatenate((doors.open_seats, doors.reserved)),
                       np.concatenate((doors.open_budget, doors.reserved_budget)))
        at, took = _defer(knocks, parts)
        runs, rounds = runs + 1, rounds + took
        freed = _freed(knocks, at, doors)
        if freed is None:
            return _outcome(wishes, knocks, parts, at, doors, runs, rounds)
        doors = freed


# --- one run --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Parts:
    """Open parts of all products, then their reserved parts: part ``p + products`` is the reserve of product ``p``."""

    seats: Ints
    budget: Ints


@dataclass(frozen=True, slots=True)
class _Knocks:
    """The wishes of needs spelled out by parts, ``wish`` the row that a knock comes from."""

    starts: Ints
    part: Ints
    place: Ints
    asked: Ints
    wish: Ints
    need: Ints


def _knocks(wishes: Wishes, doors: Doors) -> _Knocks:
    """A first-time borrower's wish for a product with a reserve becomes two knocks: at the reserve, then at the open part."""
    need = np.repeat(np.arange(len(wishes.first)), np.diff(wishes.starts))
    twice = wishes.first[need] & (doors.reserved[wishes.product] > 0)
    wish = np.repeat(np.arange(len(need)), 1 + twice)
    begins = np.concatenate((np.ones(min(1, len(wish)), dtype=np.bool_), wish[1:] != wish[:-1]))
    part = wishes.product[wish] + np.where(twice[wish] & begins, len(doors.seats), 0)
    counts = np.bincount(need[wish], minlength=len(wishes.first))
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
    return _Knocks(starts, part, wishes.place[wish], wishes.asked[wish], wish, need[wish])


def _defer(knocks: _Knocks, parts: _Parts) -> tuple[Ints, int]:
    """Where each need stays (a knock; its end of list for none), and how many rounds of knocking it took."""
    at, ends = knocks.starts[:-1].copy(), knocks.starts[1:]
    moving = np.flatnonzero(at < ends)
    stays = np.zeros(len(at), dtype=np.bool_)
    rounds = 0
    while len(moving):
        rounds += 1
        touched = np.zeros(len(parts.seats), dtype=np.bool_)
        touched[knocks.part[at[moving]]] = True
        holding = np.flatnonzero(stays)
        there = np.concatenate((holding[touched[knocks.part[at[holding]]]], moving))
        knock = at[there]
        order, kept = _choose(knocks.part[knock], knocks.place[knock], knocks.asked[knock], parts)
        stays[there[order]] = kept
        moving = there[order][~kept]
        at[moving] += 1
        moving = moving[at[moving] < ends[moving]]
    return at, rounds


def _choose(part: Ints, place: Ints, asked: Ints, parts: _Parts) -> tuple[Ints, Bools]:
    """Sorts those at the doors by part and place, and says of each whether those before it left a seat and money."""
    order = np.lexsort((place, part))
    part, asked = part[order], asked[order]
    heads = np.flatnonzero(np.concatenate((np.ones(1, dtype=np.bool_), part[1:] != part[:-1])))
    group = np.repeat(np.arange(len(heads)), np.diff(np.append(heads, len(part))))
    before = np.arange(len(part)) - heads[group]
    spent = np.cumsum(asked) - asked
    spent -= spent[heads[group]]
    return order, (before < parts.seats[part]) & (spent < parts.budget[part])


def _passed(knocks: _Knocks, at: Ints) -> Ints:
    """Knocks that were turned away."""
    index = np.arange(len(knocks.part))
    return index[index < at[knocks.need]]


def _held(knocks: _Knocks, at: Ints) -> Ints:
    """Needs that hold a seat."""
    return np.flatnonzero(at < knocks.starts[1:])


def _freed(knocks: _Knocks, at: Ints, doors: Doors) -> Doors | None:
    """The doors with empty reserves opened to everybody; ``None`` where none stands empty while others were turned away.

    What first-time borrowers took stays reserved, seat and money, so that none of them is worse off at that door.
    """
    products = len(doors.seats)
    refused = np.bincount(knocks.part[_passed(knocks, at)], minlength=2 * products) > 0
    taken = at[_held(knocks, at)]
    taken = taken[knocks.part[taken] >= products]
    product = knocks.part[taken] - products
    filled = np.bincount(product, minlength=products)
    spent = np.zeros(products, dtype=np.int64)
    np.add.at(spent, product, knocks.asked[taken])
    limited = doors.budget != NO_LIMIT
    empty = (filled < doors.reserved) | (limited & (spent < doors.reserved_budget))
    free = (doors.reserved > 0) & empty & refused[:products] & ~refused[products:]
    if not free.any():
        return None
    money = np.where(limited, np.minimum(spent, doors.reserved_budget), np.where(filled > 0, NO_LIMIT, 0))
    return replace(doors, reserved=np.where(free, filled, doors.reserved),
                   reserved_budget=np.where(free, money, doors.reserved_budget))


def _outcome(
    wishes: Wishes, knocks: _Knocks, parts: _Parts, at: Ints, doors: Doors, runs: int, rounds: int
) -> Outcome:
    needs = len(wishes.first)
    row = np.full(needs, -1, dtype=np.int64)
    in_reserve = np.zeros(needs, dtype=np.bool_)
    granted = np.zeros(needs, dtype=np.int64)
    held = _held(knocks, at)
    if len(held):
        knock = at[held]
        row[held] = knocks.wish[knock]
        in_reserve[held] = knocks.part[knock] >= len(doors.seats)
        order = np.lexsort((knocks.place[knock], knocks.part[knock]))
        part, asked = knocks.part[knock][order], knocks.asked[knock][order]
        heads = np.flatnonzero(np.concatenate((np.ones(1, dtype=np.bool_), part[1:] != part[:-1])))
        group = np.repeat(np.arange(len(heads)), np.diff(np.append(heads, len(part))))
        spent = np.cumsum(asked) - asked
        granted[held[order]] = np.minimum(asked, parts.budget[part] - (spent - spent[heads[group]]))
    return Outcome(row, in_reserve, granted, doors, runs, rounds)
