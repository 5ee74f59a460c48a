"""Shared kernel: identity of a transaction, the use-case gate, states, audit, ledger, outbox. Holds no business rule."""
