"""What counts as one borrower at a bank, where the edition caps what it may have booked."""

from __future__ import annotations

from uuid import uuid4

from app.pool.borrowers import Borrowed


def test_a_borrower_is_a_firm_with_its_owner_at_one_bank_and_no_loan_counts_twice() -> None:
    bank, other_bank, firm, other_firm, owner = uuid4(), uuid4(), uuid4(), uuid4(), b"digest"
    had = Borrowed()
    had.add(bank, firm, None, 100)
    had.add(bank, firm, owner, 20)
    had.add(bank, other_firm, owner, 3)
    had.add(other_bank, firm, owner, 5_000)
    assert had.of(bank, firm, None) == 120, "the firm, its owner's loan with it"
    assert had.of(bank, firm, owner) == 123, "and the owner's under another firm"
    assert had.of(bank, other_firm, owner) == 23
    assert had.of(other_bank, firm, None) == 5_000, "each bank counts its own"
    assert had.of(other_bank, other_firm, None) == 0
