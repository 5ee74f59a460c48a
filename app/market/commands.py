"""``huiqiao market``: what can be checked without the portal."""

from __future__ import annotations

import json
from pathlib import Path

import click

from app.market.receipt_rules import check


@click.group()
def market() -> None:
    """Sealed bids."""


@market.command("verify-receipt")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify_receipt(file: Path) -> None:
    """Check a bid's receipt by its hash alone: no database, no portal. Exit code 1 where it does not verify."""
    try:
        receipt = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{file} holds no receipt: {error}") from error
    wrong = check(receipt)
    if wrong:
        raise click.ClickException(" ".join(wrong))
    opened = receipt.get("opened")
    click.echo(f"OK commitment {receipt['commitment']}")
    click.echo(f"opened with {len(opened['commitments'])} bids, digest {opened['digest']}" if opened else "not opened yet")
