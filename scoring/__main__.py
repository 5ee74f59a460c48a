"""``python -m scoring``: train, evaluate, validate and monitor on any folder of the two layouts; synthesise a city.

Exit codes: 0 done; 1 the data, the model or the disk does not allow it (one sentence says why); 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scoring.datasets import Description
    from scoring.evaluation import Evaluation
    from scoring.model import Model
    from scoring.settings import Settings
    from scoring.table import Bools, Table

DEFAULT_SEED = 20260101
CARD_ROWS = 5000
"""Rows of which a card tells what moves their scores."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    commands = {"train": _train, "evaluate": _evaluate, "validate": _validate, "monitor": _monitor, "synthesise": _synthesise}
    try:
        return commands[options.command](options)
    except (ValueError, OSError) as error:
        print(f"scoring {options.command}: {error}", file=sys.stderr)
        return 1


def _train(options: argparse.Namespace) -> int:
    from scoring.datasets import plain
    from scoring.training import train

    if options.data is None and not options.city:
        raise ValueError("name a folder (--data) or the size of a synthetic city (--city)")
    _check_place(options.out)
    described = _description(options) if options.data else None
    if described and options.plain:
        described = plain(described)
    table = _period(_read(options, described, training=True), options) if options.data else _city(options)
    settings = _settings(options, described, table)
    if options.card and not options.repeats:
        raise ValueError("a card tells how good a model is on rows it has not seen: ask for cross-validation (--repeats)")
    told = _cross_validated(options, table, settings, "Cross-validation of the training") if options.repeats else None
    model = train(table, settings, seed=options.seed, trained_at=options.date, base_rate=_base_rate(options, described, table))
    kept = {"description": _kept(described)} if described else {}
    model = replace(model, about={**model.about, **kept})
    if told is not None:
        moved = _weights(model, table)
        model = replace(model, metrics={**told.as_metrics(), "features": [list(one) for one in moved]})
        _card(options, model, told, moved)
    model.save(options.out)
    about = model.about
    print(
        f"Model {model.version} written to {options.out}: {about['rows']:,} rows, {about['defaults']:,} bad, "
        f"{about['left_out_as_thin']} left out for lack of data; {len(model.columns)} columns; base rate {model.base_rate:.2%}."
    )
    return 0


def _check_place(out: Path) -> None:
    """Before minutes of work: whether its end can be written down. Raises OSError."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise OSError(f"{out} cannot be written as a file")


def _city(options: argparse.Namespace) -> Table:
    from scoring.city_training import table

    print("Training on SYNTHETIC firms of every source. The scores say nothing about real firms.")
    return table(options.city, options.months, options.seed)


def _evaluate(options: argparse.Namespace) -> int:
    from scoring.evaluation import evaluate, refit_intercept, score_table
    from scoring.model import Model

    model = Model.load(options.model)
    described = _description(options, model)
    table = _period(_read(options, described, model=model), options)
    if "file" in table.about:
        print(f"Read: {table.about['file']}.")
    _tell_absent(model, table)
    used: Bools | None = None
    if options.refit_intercept:
        if not table.labelled:
            raise ValueError("the intercept can only be refitted where outcomes are known")
        model, used = refit_intercept(model, table, options.refit_intercept, options.seed)
        print(f"Intercept refitted on {int(used.sum()):,} rows, measured on the others.")
    if options.predictions:
        _write_predictions(options.predictions, table, score_table(model, table), used)
        print(f"{len(table):,} predictions written to {options.predictions}.")
    rest = table if used is None else table.take(~used)
    if not rest.labelled:
        print("No outcome is known, so nothing is measured.")
        return 0
    told = evaluate(model, rest, resamples=options.resamples, seed=options.seed)
    _report(f"Model {model.version} on {table.about['set']}", told, options.report)
    if options.card:
        _card(options, model, told, _weights(model, rest))
    return 0


def _validate(options: argparse.Namespace) -> int:
    described = _description(options)
    table = _period(_read(options, described, training=True), options)
    options.repeats = options.repeats or 5
    beside = {"plain LightGBM": _plain(options, described, table)}
    _cross_validated(options, table, _settings(options, described, table), str(table.about["set"]), beside)
    return 0


def _monitor(options: argparse.Namespace) -> int:
    from scoring.model import Model
    from scoring.monitor import as_json, report, watch

    model = Model.load(options.model)
    described = _description(options, model)
    folders, options.data = options.data, options.reference
    reference = _read(options, described, model=model)
    options.file, options.as_of = options.now_file or options.file, options.now_as_of or options.as_of
    now = []
    for options.data in folders:
        table = _read(options, described, model=model)
        now.append((str(table.about.get("as_of") or options.data.name), table))
    told = watch(model, reference, sorted(now, key=lambda one: one[0]) if described is None else now)
    text = report(told)
    print(text)
    for path, content in ((options.report, text), (options.json, json.dumps(as_json(told), ensure_ascii=False, indent=1) + "\n")):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return 0


def _plain(options: argparse.Namespace, described: Description | None, table: Table) -> tuple[Table, Settings]:
    """LightGBM as it comes on the same rows, told by the columns as they stand."""
    from scoring.datasets import plain
    from scoring.settings import PLAIN, SETTINGS

    if described is None:
        columns = tuple(replace(column, direction=0) for column in table.columns)
        return replace(table, columns=columns), SETTINGS.changed(PLAIN)
    told = plain(described)
    return _period(_read(options, told, training=True), options), SETTINGS.changed(told.training)


def _cross_validated(
    options: argparse.Namespace,
    table: Table,
    settings: Settings,
    title: str,
    plain: Mapping[str, tuple[Table, Settings]] | None = None,
) -> Evaluation:
    from scoring.evaluation import cross_validate

    challengers: dict[str, tuple[Table, Settings]] = {}
    if not options.no_challenger:
        card = settings.changed({"kind": "scorecard", "card": "evidence", "search": 0})
        challengers = {"scorecard": (table, card), **(plain or {})}
    told = cross_validate(
        table, settings, folds=options.folds, repeats=options.repeats, seed=options.seed,
        challengers=challengers, resamples=options.resamples, jobs=options.jobs,
    )  # fmt: skip
    _report(title, told, options.report)
    return told


def _weights(model: Model, table: Table) -> list[tuple[str, float]]:
    """What the model listens to, on rows of the table: a sample of them says as much as all."""
    import numpy as np

    from scoring.encoding import matrix
    from scoring.report import weights

    known = table.known()
    rows = known.take(np.arange(0, len(known), max(1, len(known) // CARD_ROWS)))
    return weights(model, matrix(model.columns, rows.inputs))


def _card(options: argparse.Namespace, model: Model, told: Evaluation, moved: Sequence[tuple[str, float]]) -> None:
    from scoring.report import write_card

    if options.card:
        print("Model card: " + ", ".join(str(path) for path in write_card(options.card, model, told, moved)) + ".")


def _report(title: str, told: Evaluation, file: Path | None) -> None:
    from scoring.report import report

    text = report(title, told)
    print(text)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _description(options: argparse.Namespace, model: Model | None = None) -> Description | None:
    """The description named, else the one the model was trained with."""
    from scoring.datasets import as_description, read_description

    if options.dataset is not None:
        return read_description(options.dataset)
    kept = model.about.get("description") if model is not None else None
    return as_description(kept) if kept else None


def _kept(described: Description) -> dict[str, Any]:
    """A description as it is kept in a model, and read again by ``as_description``."""
    return {name: value for name, value in asdict(described).items() if value not in (None, (), "", {})}


def _read(
    options: argparse.Namespace, described: Description | None, *, training: bool = False, model: Model | None = None
) -> Table:
    from scoring.datasets import read_table
    from scoring.invoice_folder import is_invoice_folder, read_invoices

    if described is not None:
        held_out = model is not None and options.command == "evaluate" and options.period == "all"
        seen = str(model.about.get("file", "")) if model is not None and held_out else ""
        return read_table(options.data, described, options.file, training, seen)
    if not is_invoice_folder(options.data):
        raise ValueError(
            f"{options.data} is no folder of invoices (firms_*.csv, invoices_in_*.parquet, invoices_out_*.parquet); "
            "describe its table with --dataset"
        )
    if model is not None and model.about.get("layout") == "table":
        raise ValueError(f"the model was trained on a table and {options.data} holds invoices")
    return read_invoices(options.data, options.as_of, scale_free=options.scale_free, training=training)


def _period(table: Table, options: argparse.Namespace) -> Table:
    return table if options.period == "all" else table.in_period(int(options.period == "late"))


def _settings(options: argparse.Namespace, described: Description | None, table: Table) -> Settings:
    from scoring.settings import SETTINGS, small

    # The recipe for a few hundred firms was made for those who are told by invoices alone.
    names = [column.name for column in table.columns] if table.about.get("layout") == "invoices" else []
    settings = SETTINGS if len(table.known()) > SETTINGS.small_sample else small(SETTINGS, names)
    settings = settings.changed(described.training if described else {})
    told = {"kind": options.kind, "search": options.search, "bags": options.bags}
    return settings.changed({name: value for name, value in told.items() if value is not None} | dict(options.set))


def _base_rate(options: argparse.Namespace, described: Description | None, table: Table) -> float | None:
    import numpy as np

    if options.base_rate is not None:
        return float(options.base_rate)
    if described is not None and described.base_rate == "sample":
        rows = table.known()
        return float(np.average(rows.bad, weights=rows.weight))
    return table.base_rate


def _tell_absent(model: Model, table: Table) -> None:
    absent = [column.name for column in model.columns if column.read_from not in table.inputs.columns]
    if len(absent) == len(model.columns):
        raise ValueError("the data hold none of the columns the model reads; was it trained on another set?")
    if absent:
        print(f"Not in the data, taken as not known: {', '.join(absent)}.")


def _write_predictions(path: Path, table: Table, scores: Any, used: Bools | None) -> None:
    """One line per row. Status: ``ok``; ``partial`` (some source may not be read); ``refit`` (used for the intercept);
    ``insufficient``, without any figure, where too little is known for a score.
    """
    import numpy as np
    import polars as pl

    status = np.where(table.partial, "partial", "ok").astype(object)
    if used is not None:
        status[used] = "refit"
    status[table.thin] = "insufficient"
    frame = pl.DataFrame(
        {
            "key": table.keys,
            "pd": scores.pd,
            "score": scores.score,
            "grade": scores.grade.tolist(),
            "status": status.tolist(),
            "pd_sample": scores.pd_sample,
            "pd_low": scores.pd_low,
            "pd_high": scores.pd_high,
        }
    )
    told = pl.col("status") != "insufficient"
    figures = ("pd", "score", "grade", "pd_sample", "pd_low", "pd_high")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.with_columns(pl.when(told).then(pl.col(name)).alias(name) for name in figures).write_csv(path)


def _synthesise(options: argparse.Namespace) -> int:
    from scoring.city.command import synthesise

    synthesise(options)
    return 0


def _parser() -> argparse.ArgumentParser:
    from scoring.city.command import add_arguments

    parser = argparse.ArgumentParser(prog="python -m scoring", description="Credit scoring of small firms.")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train a model and write it as one JSON file")
    _of_data(training, required=False)
    _of_training(training)
    training.add_argument("--city", type=int, default=0, metavar="FIRMS", help="instead of a folder: a synthetic city")
    training.add_argument("--months", type=int, default=24, help="months of the city")
    training.add_argument("--out", type=Path, required=True, help="model file to write")
    training.add_argument("--plain", action="store_true", help="LightGBM as it comes on the inputs as they stand: the rival")
    training.add_argument("--date", type=date.fromisoformat, default=date.today(), help="training date for the version")
    training.add_argument("--base-rate", type=float, help="share of bad firms in the population (default: the set's, else 3 %%)")
    evaluating = commands.add_parser("evaluate", help="score rows, and measure where the outcome is known")
    _of_data(evaluating)
    evaluating.add_argument("--model", type=Path, required=True)
    evaluating.add_argument("--predictions", type=Path, help="CSV to write: key, pd, score, grade, status, pd_sample, …")
    for command in (training, evaluating):
        command.add_argument("--card", type=Path, metavar="FOLDER", help="folder for the model card, as Markdown and HTML")
    refit = "fit the intercept on a random share of the rows, measure on the rest"
    evaluating.add_argument("--refit-intercept", type=float, default=0.0, metavar="SHARE", help=refit)
    validating = commands.add_parser("validate", help="repeated cross-validation of the whole training")
    _of_data(validating)
    _of_training(validating)
    monitoring = commands.add_parser("monitor", help="PSI of the score and of every column against a reference, over time")
    monitoring.add_argument("--model", type=Path, required=True)
    monitoring.add_argument("--reference", type=Path, required=True, help="folder of the rows to compare with")
    monitoring.add_argument("--data", type=Path, required=True, nargs="+", help="folder of the rows now, or one a moment")
    monitoring.add_argument("--dataset", type=Path, help="dataset.toml of a table (default: the model's own)")
    monitoring.add_argument("--file", default="", help="Parquet file in the folders, where several fit")
    monitoring.add_argument("--now-file", default="", help="the same for the rows now, where it is another one")
    monitoring.add_argument("--as-of", type=date.fromisoformat, help="invoices: last day the features may see")
    monitoring.add_argument("--now-as-of", type=date.fromisoformat, help="the same for the rows now")
    monitoring.add_argument("--scale-free", action="store_true", help=argparse.SUPPRESS)
    monitoring.add_argument("--report", type=Path, help="Markdown file to write")
    monitoring.add_argument("--json", type=Path, help="JSON file to write")
    synthetic = commands.add_parser("synthesise", help="write a synthetic city as delivery files")
    add_arguments(synthetic, DEFAULT_SEED)
    return parser


def _of_data(command: argparse.ArgumentParser, required: bool = True) -> None:
    command.add_argument("--data", type=Path, required=required, help="folder of the set")
    command.add_argument("--dataset", type=Path, help="dataset.toml of a table (invoices need none)")
    command.add_argument("--file", default="", help="Parquet file in the folder, where several fit")
    command.add_argument("--period", choices=("all", "early", "late"), default="all", help="rows before or after the cut in time")
    command.add_argument("--as-of", type=date.fromisoformat, help="invoices: last day the features may see")
    command.add_argument("--scale-free", action="store_true", help="invoices: without features that tell size")
    command.add_argument("--seed", type=int, default=DEFAULT_SEED)
    command.add_argument("--report", type=Path, help="Markdown file to write")
    command.add_argument("--resamples", type=int, default=400, help="bootstrap draws of the intervals")


def _of_training(command: argparse.ArgumentParser) -> None:
    command.add_argument("--kind", choices=("trees", "scorecard", "both", "ranks"))
    command.add_argument("--search", type=int, help="candidates of the successive halving")
    command.add_argument("--bags", type=int, help="boosters that are averaged")
    command.add_argument("--folds", type=int, default=5)
    command.add_argument("--repeats", type=int, default=0, help="rounds of cross-validation (train: none unless given)")
    command.add_argument("--no-challenger", action="store_true", help="no scorecard beside the model")
    command.add_argument("--jobs", type=int, default=1, help="processes of the cross-validation")
    command.add_argument(
        "--set", type=_number, action="append", default=[], metavar="NAME=NUMBER", help="another setting of scoring/settings.py",
    )


def _number(told: str) -> tuple[str, int | float]:
    """``rounds=30`` as name and number. Raises ValueError on anything else."""
    name, _, value = told.partition("=")
    return name, float(value) if "." in value else int(value)


if __name__ == "__main__":
    sys.exit(main())
