"""``python -m scoring train`` trains the model; ``python -m scoring synthesise`` writes a synthetic city to Parquet.

Exit codes: 0 done; 1 the data, the model or the disk does not allow it (one sentence says why); 2 wrong
arguments.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from scoring.city import ITEMS
from scoring.legacy.training_data import REAL_SUBFOLDER, TrainingSet, is_real_folder, load
from scoring.synthetic import LAST_MONTH_END

DEFAULT_SEED = 20260101


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _train(options) if options.command == "train" else _synthesise(options)
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


def _synthesise(options: argparse.Namespace) -> int:
    from scoring.city.files import CityOrder, Written, write_city

    order = CityOrder(options.firms, options.months, options.seed, options.until, items=tuple(options.items))
    began = time.perf_counter()

    def told(done: int, written: Written) -> None:
        rate = sum(written.rows.values()) / (time.perf_counter() - began)
        print(f"part {done} of {order.parts}: {sum(written.rows.values()):,} rows, {rate:,.0f} rows/s", flush=True)

    written = write_city(order, options.out, jobs=options.jobs, progress=told)
    for item, rows in written.rows.items():
        print(f"{item:22}{rows:>14,} rows {written.size[item] / 1e6:>10,.1f} MB")
    print(
        f"{options.firms} synthetic firms written to {options.out} in {time.perf_counter() - began:.1f} s; "
        f"peak memory {_peak_mb():,.0f} MB in the largest process."
    )
    if options.invoices:
        _synthesise_invoices(options)
    return 0


def _synthesise_invoices(options: argparse.Namespace) -> None:
    from scoring.city import city
    from scoring.city.invoices import firms_with_invoices
    from scoring.delivery_files import write_firms

    firms = firms_with_invoices(options.firms, options.months, options.seed, until=options.until)
    listed = city(options.firms, options.months, options.seed, until=options.until, items=["firms"])["firms"]
    lines = write_firms(firms, options.out, listed["uscc"].to_list())
    print(f"{len(firms)} synthetic firms with {lines:,} invoice lines written to {options.out}.")


def _peak_mb() -> float:
    """Largest resident memory (MB) that this process or any of its children had."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1000


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
    synthetic = commands.add_parser("synthesise", help="write a synthetic city as delivery files")
    synthetic.add_argument("--firms", type=int, default=200)
    synthetic.add_argument("--months", type=int, default=24)
    synthetic.add_argument("--seed", type=int, default=DEFAULT_SEED)
    synthetic.add_argument(
        "--until", type=date.fromisoformat, default=LAST_MONTH_END, help="a day of the last month"
    )
    synthetic.add_argument("--out", type=Path, required=True, help="folder to write to")
    synthetic.add_argument(
        "--items", type=lambda text: text.split(","), default=list(ITEMS), help=f"some of: {','.join(ITEMS)}"
    )
    synthetic.add_argument("--invoices", action="store_true", help="also invoice lines (small cities only)")
    synthetic.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes of a large city")
    return parser


if __name__ == "__main__":
    sys.exit(main())
