"""An evaluation in words and tables: for the terminal, and the same in Markdown for a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from scoring.evaluation import Evaluation
from scoring.measures import Interval

NAMES: Final = {
    "auc": "AUC",
    "ks": "KS",
    "lift": "lift of the riskiest tenth",
    "brier": "Brier score",
    "log_loss": "log loss",
    "slope": "calibration slope",
    "observed_expected": "observed / expected",
}


def markdown(title: str, told: Evaluation) -> str:
    """The whole evaluation; every figure with its 95 % bootstrap interval over rows (or groups of rows)."""
    lines = [
        f"## {title}",
        "",
        f"{told.protocol}; {told.rows:,} rows, {told.bad:,} bad, weighted bad rate {told.bad_rate:.2%}. "
        "Intervals: 95 %, bootstrap. Probabilities before the shift to the base rate.",
        "",
        *_table(("measure", "value", "95 % interval"), ((NAMES[name], *_cells(one)) for name, one in told.figures.items())),
    ]
    if told.rivals:
        rows = ((name, *_cells(one), *_cells(told.leads[name])) for name, one in told.rivals.items())
        lines += ["", *_table(("beside it", "AUC", "95 % interval", "lead of the model", "95 % interval"), rows)]
    lines += [
        "",
        *_table(("approved", "bad rate among them", "95 % interval"), ((name, *_cells(one)) for name, one in told.curve.items())),
        "",
        *_table(
            ("bin", "rows", "predicted", "observed"),
            (
                (str(at + 1), f"{one.rows:,}", f"{one.predicted:.2%}", f"{one.observed:.2%}")
                for at, one in enumerate(told.reliability)
            ),
        ),
    ]
    if told.groups:
        groups = (
            (one.by, one.name, f"{one.rows:,}", f"{one.bad_rate:.2%}", *_cells(one.auc), *_cells(one.observed_expected))
            for one in told.groups
        )
        head = ("by", "group", "rows", "bad rate", "AUC", "95 % interval", "observed / expected", "95 % interval")
        lines += ["", *_table(head, groups)]
    return "\n".join(lines) + "\n"


def _cells(one: Interval) -> tuple[str, str]:
    return f"{one.value:.4f}", f"{one.low:.4f} to {one.high:.4f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *(_row([cell.replace("|", "\\|") for cell in row]) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
