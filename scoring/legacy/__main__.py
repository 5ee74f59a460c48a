"""``python -m scoring.legacy train`` trains the earlier model, on invoices alone.

Exit codes: 0 done; 1 the data, the model or the disk does not allow it (one sentence says why); 2 wrong
arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from scoring.legacy.training_data import REAL_SUBFOLDER, TrainingSet, is_real_folder, load

DEFAULT_SEED = 20260101


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _train(options)
    except (ValueError, OSError) as error:
        print(f"scoring {options.command}: {error}", file=sys.stderr)
        return 1


def real_data_folder(given: Path | None = None) -> Path:
    """Where the real set is looked for: ``given``, else ``HUIQIAO_REAL_DATA`` (or ``../shared/data``) + its
    subfolder.

    Either the folder of all data sets or the folder of this one may be named.
    """
    root = given or Path(os.environ.get("HUIQIAO_REAL_DATA") or Path("..") / "shared" / "data")
    return root if is_real_folder(root) else root / REAL_SUBFOLDER


def _train(options: argparse.Namespace) -> int:
    from scoring.legacy.evaluate import Protocol, cross_validate
    from scoring.legacy.model import train

    folder = real_data_folder(options.data)
    if options.data is not None and not is_real_folder(folder):
        raise ValueError(f"{options.data} does not hold the labelled firms (firms_labelled.csv)")
    data = load(folder, as_of=options.as_of, seed=options.seed)
    if data.trained_on == "synthetic":
        print(
            f"No real data at {folder}: training on SYNTHETIC firms. The scores say nothing about real firms."
        )
    print(_describe(data))
    evaluation = cross_validate(data.X, data.y, seed=options.seed, protocol=Protocol(repeats=options.repeats))
    print(
        f"Cross-validation ({evaluation.repeats} x {evaluation.folds} folds): AUC {evaluation.auc:.3f}, "
        f"95 % interval over firms {evaluation.auc_low:.3f} to {evaluation.auc_high:.3f}; "
        f"KS {evaluation.ks:.2f}."
    )
    print(
        f"Average monthly sales alone: AUC {evaluation.baseline_auc:.3f}; the model's lead over it "
        f"lies between {evaluation.baseline_lead_low:+.3f} and {evaluation.baseline_lead_high:+.3f}."
    )
    model = train(
        data.X,
        data.y,
        trained_on=data.trained_on,
        trained_at=options.date,
        window_from=data.window_from,
        window_to=data.window_to,
        seed=options.seed,
        metrics=evaluation.as_metrics(),
    )
    model.save(options.out)
    print(f"Model {model.version} written to {options.out}.")
    return 0


def _describe(data: TrainingSet) -> str:
    return (
        f"{len(data.y)} {data.trained_on} firms, {int(data.y.sum())} of them defaulted, "
        f"{data.left_out} left out as thin files; "
        f"features from the months {data.window_from} to {data.window_to}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scoring.legacy", description="Credit scoring of small firms.")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train the model and write it as one JSON file")
    train.add_argument("--data", type=Path, help="folder of the real data (default: HUIQIAO_REAL_DATA)")
    train.add_argument(
        "--out", type=Path, default=Path("instance") / "model.json", help="model file to write"
    )
    train.add_argument("--seed", type=int, default=DEFAULT_SEED)
    train.add_argument(
        "--date", type=date.fromisoformat, default=date.today(), help="training date for the version"
    )
    train.add_argument("--repeats", type=int, default=20, help="rounds of cross-validation")
    train.add_argument("--as-of", type=date.fromisoformat, help="last day the features may see")
    return parser


if __name__ == "__main__":
    sys.exit(main())
