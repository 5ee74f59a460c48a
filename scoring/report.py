"""An evaluation in words and tables, for the terminal and for a file; and the card of a model, with its plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from scoring.card_plots import curve_plot, features_plot, reliability_plot, roc_plot, spread_plot
from scoring.document import Section, html, markdown, table
from scoring.evaluation import Evaluation
from scoring.measures import Interval
from scoring.model import Model

NAMES: Final = {
    "auc": "AUC",
    "ks": "KS",
    "lift": "lift of the riskiest tenth",
    "brier": "Brier score",
    "log_loss": "log loss",
    "slope": "calibration slope",
    "observed_expected": "observed / expected",
}
TOP_FEATURES: Final = 20
INTERVAL: Final = "95 % interval"


def report(title: str, told: Evaluation) -> str:
    """The whole evaluation as Markdown; every figure with its 95 % bootstrap interval over rows (or groups of rows)."""
    lines = [f"## {title}", ""]
    for one in sections(told):
        lines += [line for text in one.texts for line in (text, "")]
        lines += [*table(one.head, one.rows), ""]
    return "\n".join(lines)


def sections(told: Evaluation) -> list[Section]:
    """An evaluation part by part, with the plots of its curves."""
    metrics = told.as_metrics()
    how = (
        f"{told.protocol}; {told.rows:,} rows, {told.bad:,} bad, weighted bad rate {told.bad_rate:.2%}. "
        "Intervals: 95 %, bootstrap. Probabilities before the shift to the base rate."
    )
    figures = [(NAMES[name], *_cells(one)) for name, one in told.figures.items()]
    curve = [(name, *_cells(one)) for name, one in told.curve.items()]
    bins = [
        (str(at + 1), f"{one.rows:,}", f"{one.predicted:.2%}", f"{one.observed:.2%}") for at, one in enumerate(told.reliability)
    ]
    drawn = roc_plot(metrics), spread_plot(metrics)
    found = [Section("How good it is", (how,), ("measure", "value", INTERVAL), figures, drawn)]
    if told.rivals:
        rows = [(name, *_cells(one), *_cells(told.leads[name])) for name, one in told.rivals.items()]
        found.append(Section("Beside it", (), ("beside it", "AUC", INTERVAL, "lead of the model", INTERVAL), rows))
    found += [
        Section("Approval and bad rate", (), ("approved", "bad rate among them", INTERVAL), curve, (curve_plot(metrics),)),
        Section("Reliability", (), ("bin", "rows", "predicted", "observed"), bins, (reliability_plot(metrics),)),
    ]
    if told.groups:
        groups = [
            (one.by, one.name, f"{one.rows:,}", f"{one.bad_rate:.2%}", *_cells(one.auc), *_cells(one.observed_expected))
            for one in told.groups
        ]
        head = ("by", "group", "rows", "bad rate", "AUC", INTERVAL, "observed / expected", INTERVAL)
        found.append(Section("Groups", (), head, groups))
    return found


def weights(model: Model, X: ArrayLike, top: int = TOP_FEATURES) -> list[tuple[str, float]]:
    """Mean points, either way, that each column moves a row's score by; the strongest first. ``X``: rows in the model's order."""
    from scoring.reasons import parts_of

    parts, _ = parts_of(model, X)
    moved = np.abs(parts).mean(axis=0) * abs(model.points_per_margin)
    order = np.argsort(-moved, kind="stable")[:top]
    return [(model.names[at], float(moved[at])) for at in order if moved[at] > 0.0]


def write_card(folder: Path, model: Model, told: Evaluation, moved: Sequence[tuple[str, float]]) -> tuple[Path, Path]:
    """``model-card.md`` and ``model-card.html`` in the folder. ``moved``: see ``weights``. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = [_origin(model), *sections(told), _strongest(moved), _columns(model), _limits(model)]
    paths = folder / "model-card.md", folder / "model-card.html"
    tellers: tuple[Callable[[str, Sequence[Section]], str], ...] = (markdown, html)
    for path, tell in zip(paths, tellers, strict=True):
        path.write_text(tell(f"Model card {model.version}", whole), encoding="utf-8")
    return paths


def _origin(model: Model) -> Section:
    about: Mapping[str, Any] = model.about
    bands, scale = model.bands, model.scale
    rows = [
        ("version", model.version),
        ("trained on", str(about.get("set", "not told"))),
        ("rows, of which bad", f"{about.get('rows', 0):,}, {about.get('defaults', 0):,}"),
        ("left out for lack of data", f"{about.get('left_out_as_thin', 0):,}"),
        ("seed", str(about.get("seed", "not told"))),
        ("parts", f"{len(model.boosters)} boosters of trees, {len(model.terms)} additive terms"),
        ("bad rate of the sample, base rate told for", f"{model.sample_rate:.2%}, {model.base_rate:.2%}"),
        ("calibration of log-odds", f"{model.calibration.slope:.4f} x margin + {model.calibration.intercept:.4f}"),
        ("scale", f"{scale.points:g} at {scale.odds:g} : 1, {scale.pdo:g} more double the odds, {scale.low} to {scale.high}"),
        ("grades, highest probability", f"A {bands.a:.1%}, B {bands.b:.1%}, C {bands.c:.1%}, D {bands.d:.1%}, E above"),
    ]
    return Section("Where it comes from", (), ("what", "told"), rows)


def _strongest(moved: Sequence[tuple[str, float]]) -> Section:
    said = "Mean points, up or down, by which a column moves a score: what the model listens to, not what causes default."
    rows = [(name, f"{points:.1f}") for name, points in moved]
    return Section("What weighs most", (said,), ("column", "points"), rows, (features_plot(moved),) if moved else ())


def _columns(model: Model) -> Section:
    directions = {1: "more is better", -1: "more is worse", 0: "none set"}
    rows = [(one.name, one.kind, directions[one.direction]) for one in model.columns]
    said = "Where a direction is set, the score can only go that way. What is absent is treated as absent, never as zero."
    return Section("What it reads", (said,), ("column", "kind", "direction"), rows)


def _limits(model: Model) -> Section:
    texts = ["It ranks and explains. It grants nothing and refuses nobody."]
    if model.about.get("set") in ("city", "synthetic"):
        texts.insert(0, "It learned from SYNTHETIC firms: it says nothing about real ones.")
    texts.append("Firms other than those it learned from may default at another rate: compare with your own outcomes before use.")
    return Section("Limits", texts)


def _cells(one: Interval) -> tuple[str, str]:
    return f"{one.value:.4f}", f"{one.low:.4f} to {one.high:.4f}"


