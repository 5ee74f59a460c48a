"""The scoring model: monotone gradient-boosted trees, an additive part or both, calibrated, on one scale with grades.

A larger margin, a larger contribution and a larger score all mean a better firm. The same data, settings and seed give the same
model to the last byte. The model ranks and explains; whether anybody is refused is never its business (catalogue §4).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.errors import ModelError
from scoring.scale import BANDS, SCALE, Bands, Calibration, Float64, Scale, Uncertainty, log_odds_of, probability_of_default
from scoring.terms import Term

if TYPE_CHECKING:
    import lightgbm as lgb

FORMAT: Final = 2
BASE_RATE: Final = 0.03
"""Share of small firms taken to default within the horizon (proposal): training samples are not the population."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column the model reads, always as a float (NaN = absent).

    ``direction``: +1 more is better, -1 more is worse, 0 not known. ``source``: the column of the data it is made from, where
    that is another one. ``codes``: for a category, the number that stands for each word; ``other``: for a word not seen before.
    The words of a ``set`` have no order: trees ask whether a word is one of several. Those of an ``effect`` are read by the
    additive part alone (``scoring.effects``), in which a word not seen before says nothing.
    """

    name: str
    kind: Literal["numeric", "category", "set", "effect"] = "numeric"
    direction: int = 0
    source: str = ""
    codes: Mapping[str, float] = field(default_factory=dict, repr=False)
    other: float = math.nan

    def __post_init__(self) -> None:
        if self.kind not in ("numeric", "category", "set", "effect") or self.direction not in (-1, 0, 1):
            raise ModelError(f"column {self.name} has an unknown kind or direction")

    @property
    def read_from(self) -> str:
        """The column of the data."""
        return self.source or self.name


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One entry per row.

    ``pd``: probability of default at the base rate; ``pd_sample``: the same before the shift, at the rate of the training sample.
    ``points``: unrounded and unclipped; ``score``: as shown; ``grade``: A to E. ``pd_low``/``pd_high``: interval of ``pd``.
    """

    pd: Float64
    pd_sample: Float64
    points: Float64
    score: NDArray[np.int64]
    grade: NDArray[np.str_]
    pd_low: Float64
    pd_high: Float64


@dataclass(frozen=True)
class Model:
    """A trained model with everything needed to say where a score came from.

    The margin is the average of the ``boosters`` plus the sum of the ``terms`` plus ``start``. ``sample_rate``: weighted share
    of defaults in the training rows, ``base_rate``: in the population the score is told for. ``about``: what it was trained on
    and how (data, as-of date, settings, seed, rows, defaults); ``metrics``: measured at training, never on rows trained on.
    """

    columns: tuple[Column, ...]
    trained_at: date
    boosters: tuple[str, ...] = field(default=(), repr=False)
    terms: tuple[Term, ...] = field(default=(), repr=False)
    start: float = 0.0
    calibration: Calibration = field(default_factory=Calibration)
    sample_rate: float = BASE_RATE
    base_rate: float = BASE_RATE
    scale: Scale = SCALE
    bands: Bands = BANDS
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    about: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (0.0 < self.sample_rate < 1.0 and 0.0 < self.base_rate < 1.0):
            raise ModelError("sample rate and base rate must lie between 0 and 1")
        if len(set(self.names)) != len(self.columns) or not {term.column for term in self.terms} <= set(self.names):
            raise ModelError("the columns of the model are named twice, or a term speaks of a column that is not there")
        if not self.boosters and not self.terms:
            raise ModelError("a model needs trees or terms")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns in the order in which ``score`` wants them."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def trees(self) -> tuple[lgb.Booster, ...]:
        """The boosters as LightGBM's objects (loads LightGBM)."""
        import lightgbm as lgb

        return tuple(lgb.Booster(model_str=text) for text in self.boosters)

    @cached_property
    def version(self) -> str:
        """Training date and the start of the SHA-256 of the content: two models differ exactly when this differs."""
        content = json.dumps(self._content(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return f"{self.trained_at.isoformat()}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    @cached_property
    def shift(self) -> float:
        """Added to the log-odds of the sample, to speak of the population (prior shift)."""
        return log_odds_of(self.base_rate) - log_odds_of(self.sample_rate)

    @property
    def points_per_margin(self) -> float:
        """Points for one unit of margin: contributions to the margin times this are contributions to the points."""
        return self.calibration.slope * self.scale.per_log_odds

    def place(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Where the model's columns stand in a matrix with these ``names``. Raises ModelError when one is not there."""
        at = {name: number for number, name in enumerate(names)}
        absent = [name for name in self.names if name not in at]
        if absent:
            raise ModelError(f"the data lack what the model reads: {', '.join(absent)}")
        return np.array([at[name] for name in self.names], dtype=np.int64)

    def margins(self, X: ArrayLike, num_threads: int = 1) -> Float64:
        """Raw margins of rows in the order of ``columns``. Raises ModelError on a wrong width."""
        rows = self._rows(X)
        total = np.full(len(rows), self.start)
        for tree in self.trees if len(rows) else ():
            total += np.asarray(tree.predict(rows, raw_score=True, num_threads=num_threads)) / len(self.boosters)
        for term in self.terms:
            total += term.margin(rows[:, self.names.index(term.column)])
        return total

    def term_contributions(self, X: ArrayLike) -> tuple[Float64, float]:
        """What the additive part says of each row, per column and against the average training row, and its bias."""
        rows = self._rows(X)
        told = np.zeros_like(rows)
        for term in self.terms:
            at = self.names.index(term.column)
            told[:, at] += term.margin(rows[:, at]) - term.mean
        return told, self.start + sum(term.mean for term in self.terms)

    def points_at(self, margin: Float64) -> Float64:
        """Unrounded, unclipped points at a margin."""
        return self.scale.points_of(self.calibration.log_odds(margin) + self.shift)

    def score(self, X: ArrayLike, num_threads: int = 1) -> Scores:
        """Scores of rows in the order of ``columns`` (NaN = absent). Raises ModelError on a wrong width."""
        rows = self._rows(X)
        return self.scores_at(self.margins(rows, num_threads), rows)

    def scores_at(self, margin: Float64, rows: Float64) -> Scores:
        """Scores of rows whose margins are known; ``rows`` only tell what is absent."""
        in_sample = self.calibration.log_odds(margin)
        log_odds = in_sample + self.shift
        half = self.uncertainty.half_width(margin, np.add.reduce(np.isnan(rows), axis=1) / rows.shape[1])
        pd, points = probability_of_default(log_odds), self.scale.points_of(log_odds)
        return Scores(
            pd=pd,
            pd_sample=probability_of_default(in_sample),
            points=points,
            score=self.scale.shown(points),
            grade=self.bands.grades(pd),
            pd_low=probability_of_default(log_odds + half),
            pd_high=probability_of_default(log_odds - half),
        )

    def save(self, path: Path) -> None:
        """Write the model as one JSON file; a reader never sees half a file. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            content = {**self._content(), "version": self.version}
            beside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Model:
        """Read a model file. Raises ModelError when it is absent, damaged, altered or of another format."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(f"there is no model file at {path}; train one with: python -m scoring train") from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ModelError(f"the model file {path} cannot be read: {error}") from error
        try:
            if content["format"] != FORMAT:
                raise ModelError(f"its format is {content['format']}, not {FORMAT}")
            model, version = cls._from_content(content), content["version"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model file {path} is not a scoring model: {error}") from error
        if version != model.version:
            raise ModelError(f"the model file {path} was altered after it was written")
        return model

    def _rows(self, X: ArrayLike) -> Float64:
        rows = np.atleast_2d(np.asarray(X, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != len(self.columns):
            raise ModelError(f"expected rows of {len(self.columns)} columns, got {rows.shape[-1]}")
        return rows

    def _content(self) -> dict[str, Any]:
        content = {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}
        return {"format": FORMAT, **content, "trained_at": self.trained_at.isoformat()}

    @classmethod
    def _from_content(cls, content: Mapping[str, Any]) -> Model:
        return cls(
            columns=tuple(Column(**{**told, "other": _number(told["other"])}) for told in content["columns"]),
            trained_at=date.fromisoformat(content["trained_at"]),
            boosters=tuple(content["boosters"]),
            terms=tuple(Term(**_tuples(told)) for told in content["terms"]),
            start=float(content["start"]),
            calibration=Calibration(**content["calibration"]),
            sample_rate=float(content["sample_rate"]),
            base_rate=float(content["base_rate"]),
            scale=Scale(**content["scale"]),
            bands=Bands(**content["bands"]),
            uncertainty=Uncertainty(**_tuples(content["uncertainty"])),
            about=dict(content["about"]),
            metrics=dict(content["metrics"]),
        )


def _plain(value: Any) -> Any:
    """As JSON holds it: dataclasses as objects, tuples as lists, NaN as null."""
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _tuples(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
