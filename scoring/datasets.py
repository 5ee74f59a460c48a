"""The layout *table*: one Parquet file described by a TOML file, so that a new set needs no code.

name = "loans"
files = ["loans_train.parquet", "loans_*.parquet"]   # the first pattern that fits; else the only Parquet there
key = "loan_id"
label = "default"                                    # 1 = bad; may be absent when predicting
weight = "sample_weight"                             # optional
group = "borrower"                                   # optional: never on both sides of a split
forbidden = ["approval_fy", "post_*"]                # never read by an input or a derived column
inputs = ["amount", "attr*"]
categories = ["bank"]                                # inputs or derived columns that are words, told by one code each
sets = ["bank"]                                      # words that trees weigh anew in every branch
effects = ["bank_state"]                             # words with an effect each, where settings say card = "effects"
naive = "amount"                                     # optional: SQL, higher = better; the rule to beat
base_rate = 0.1756                                   # optional: a share, or "sample" = that of the rows trained on
report_by = ["state"]                                # optional
[derived]                                            # SQL over inputs and derived columns above it
per_head = "amount / (n_employees + 1)"
[directions]                                         # +1 more is better, -1 more is worse
new_business = -1
[out_of_time]
column = "approval_fy"
train_to = 2005
test_to = 2010
[training]                                           # optional: fields of scoring.settings.Settings
rounds = 400
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.errors import DataError
from scoring.model import Column
from scoring.scale import Float64
from scoring.settings import PLAIN
from scoring.table import Ints, Table

NAME: Final = re.compile(r"[A-Za-z0-9_]+")
NEVER: Final = ("rating", "post_*")
"""Known to leak in any set: a lender's own grade and whatever is known only after the event (READMEs of the sets)."""


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """Train on rows whose ``column`` is at most ``train_to``, test on later ones up to ``test_to``; both included."""

    column: str
    train_to: Any
    test_to: Any = None


@dataclass(frozen=True, slots=True)
class Description:
    """A ``dataset.toml`` as read; the module says what each entry means."""

    name: str
    key: str
    inputs: tuple[str, ...]
    files: tuple[str, ...] = ("*.parquet",)
    label: str = ""
    weight: str = ""
    group: str = ""
    forbidden: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    naive: str = ""
    base_rate: float | str | None = None
    report_by: tuple[str, ...] = ()
    era: str = ""
    derived: Mapping[str, str] = field(default_factory=dict)
    directions: Mapping[str, int] = field(default_factory=dict)
    out_of_time: OutOfTime | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> frozenset[str]:
        """The columns that are read as words."""
        return frozenset((*self.categories, *self.sets, *self.effects))

    def forbids(self, column: str) -> bool:
        """Whether a column may never be an input: named so, or the key, outcome, weight, group or time."""
        time = self.out_of_time.column if self.out_of_time else self.key
        named = {self.key, self.label, self.weight, self.group, self.era, time}
        return column in named or any(fnmatchcase(column, pattern) for pattern in (*NEVER, *self.forbidden))


def read_description(path: Path) -> Description:
    """A description from its TOML file. Raises DataError with one sentence."""
    told = _toml(path)
    if "like" in told:
        told = {**_toml(path.parent / str(told.pop("like"))), **told}
    try:
        return as_description(told)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"the description {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"the description {path} is not TOML: {error}") from error


def as_description(told: Mapping[str, Any]) -> Description:
    """A description from the content of a TOML file. Raises DataError."""
    unknown = set(told) - {one.name for one in fields(Description)}
    if unknown:
        raise DataError(f"unknown entries: {', '.join(sorted(unknown))}")
    content: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    try:
        if "out_of_time" in content:
            content["out_of_time"] = OutOfTime(**content["out_of_time"])
        description = Description(**content)
    except TypeError as error:
        raise DataError(f"an entry is missing or unknown: {error}") from None
    _check(description)
    return description


def plain(told: Description) -> Description:
    """The set for LightGBM as it comes: the inputs as they stand, words as sets, nothing derived, the library's own settings."""
    words = tuple(sorted(told.words - set(told.derived)))
    return replace(
        told, categories=(), sets=words, effects=(), derived={}, directions={}, naive="", training={**told.training, **PLAIN}
    )


def _check(told: Description) -> None:
    for column in (*told.inputs, *told.derived):
        if told.forbids(column):
            raise DataError(f"{column} is forbidden as an input")
    wrong = [name for name in told.derived if not NAME.fullmatch(name)]
    if wrong:
        raise DataError(f"a derived column is named with letters, digits and _ only: {', '.join(wrong)}")
    given = [name for name in told.words if name not in told.derived]
    unknown = sorted(name for name in given if not any(fnmatchcase(name, pattern) for pattern in told.inputs))
    if unknown:
        raise DataError(f"categories, sets and effects are inputs or derived columns: {', '.join(unknown)}")
    if not set(told.directions.values()) <= {-1, 0, 1}:
        raise DataError("a direction is -1, 0 or 1")
    if isinstance(told.base_rate, str) and told.base_rate != "sample":
        raise DataError('base_rate is a share or "sample"')


def read_table(folder: Path, told: Description, file: str = "", training: bool = False, seen: str = "") -> Table:
    """The rows of the set in ``folder``. ``file`` names the Parquet file where several lie there; else the first of the patterns
    that fits tells it, and where none fits, the only Parquet file there. ``seen``: the file a model was trained on; it is read
    last, so that a model is not judged on what it has seen where a held-out file lies beside.

    ``training``: the outcome and every input must be there; otherwise an absent column is taken as not known. Raises DataError.
    """
    path = _find(folder, told, file, seen)
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    if told.key not in frame.columns:
        raise DataError(f"{path} lacks the key {told.key}")
    if training and (not told.label or told.label not in frame.columns):
        raise DataError(f"{path} lacks the outcome {told.label or '(the description names none)'}")
    inputs = _inputs(frame, told, path, training)
    n = frame.height
    return Table(
        keys=tuple(frame[told.key].cast(pl.String).to_list()),
        inputs=inputs.select(column for column in inputs.columns if not column.startswith(_NAIVE)),
        columns=_columns(inputs, told),
        bad=_outcome(frame, told, path),
        weight=_weight(frame, told, path),
        group=_group(frame, told),
        period=_period(frame, told, path, training),
        era=_era(frame, told, path, training),
        thin=np.zeros(n, dtype=np.bool_),
        partial=np.zeros(n, dtype=np.bool_),
        naive=inputs[_NAIVE].to_numpy() if _NAIVE in inputs.columns else None,
        naive_name=told.naive,
        by={name: frame[name].cast(pl.String).fill_null("?").to_numpy() for name in told.report_by if name in frame.columns},
        when=_when(frame, told),
        base_rate=told.base_rate if isinstance(told.base_rate, float) else None,
        about={"layout": "table", "set": told.name, "file": path.name},
    )


def _when(frame: pl.DataFrame, told: Description) -> NDArray[np.str_] | None:
    """The column of time as it stands, days by their month."""
    if told.out_of_time is None or told.out_of_time.column not in frame.columns:
        return None
    column = frame[told.out_of_time.column]
    words = column.dt.strftime("%Y-%m") if column.dtype in (pl.Date, pl.Datetime) else column.cast(pl.String)
    return words.fill_null("?").to_numpy().astype(np.str_)


_NAIVE: Final = "@naive"


def _find(folder: Path, told: Description, file: str, seen: str) -> Path:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    if file:
        if not (folder / file).is_file():
            raise DataError(f"there is no file {folder / file}")
        return folder / file
    there = [(pattern, sorted(folder.glob(pattern))) for pattern in (*told.files, "*.parquet")]
    fresh = [(pattern, [path for path in found if path.name != seen]) for pattern, found in there[:-1]]
    for pattern, found in (*fresh, *there):
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.name for path in found)
            raise DataError(f"{folder} holds several files that fit {pattern} ({names}); name one with --file")
    raise DataError(f"{folder} holds no Parquet file")


def _inputs(frame: pl.DataFrame, told: Description, path: Path, training: bool) -> pl.DataFrame:
    """The inputs and derived columns; nothing forbidden is in reach of a derived column."""
    allowed = [column for column in frame.columns if not told.forbids(column)]
    wanted = [column for column in allowed if any(fnmatchcase(column, pattern) for pattern in told.inputs)]
    absent = [name for name in told.inputs if "*" not in name and name not in frame.columns]
    if absent and training:
        raise DataError(f"{path} lacks {', '.join(absent)}")
    words = told.words
    chosen = frame.select(
        *(pl.col(name).cast(pl.String) if name in words or frame[name].dtype == pl.String else _number(name) for name in wanted),
        *(pl.lit(None, dtype=pl.String if name in words else pl.Float64).alias(name) for name in absent),
    )
    for name, sql in {**told.derived, **({_NAIVE: told.naive} if told.naive else {})}.items():
        try:
            kind = pl.String if name in words else pl.Float64
            chosen = chosen.with_columns(pl.sql_expr(sql).cast(kind, strict=False).alias(name))
        except pl.exceptions.PolarsError as error:
            what = "the naive rule" if name == _NAIVE else f"the derived column {name}"
            raise DataError(f"{what} cannot be computed from the inputs: {error}") from error
    return chosen.with_columns(pl.col(pl.Float64).fill_nan(None)).with_columns(
        pl.when(pl.col(pl.Float64).is_finite()).then(pl.col(pl.Float64))
    )


def _number(name: str) -> pl.Expr:
    """A date counts in days, a yes as 1."""
    return pl.col(name).cast(pl.Float64, strict=False)


def _columns(inputs: pl.DataFrame, told: Description) -> tuple[Column, ...]:
    """What the model may read: every number, and the words that are named as categories."""
    columns = []
    for name in inputs.columns:
        if name in told.categories:
            columns.append(Column(name, "category", told.directions.get(name, 0)))
        elif inputs[name].dtype != pl.String and name != _NAIVE:
            columns.append(Column(name, "numeric", told.directions.get(name, 0)))
    columns += [Column(f"{name}_set", "set", 0, name) for name in told.sets]
    columns += [Column(f"{name}_effect", "effect", 0, name) for name in told.effects]
    if not columns:
        raise DataError("the description leaves no input")
    return tuple(columns)


def _outcome(frame: pl.DataFrame, told: Description, path: Path) -> Float64:
    if told.label not in frame.columns:
        return np.full(frame.height, np.nan)
    bad = frame[told.label].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    if not np.isin(bad[np.isfinite(bad)], (0.0, 1.0)).all():
        raise DataError(f"the outcome {told.label} in {path} must be 0 or 1")
    return np.asarray(bad, dtype=np.float64)


def _weight(frame: pl.DataFrame, told: Description, path: Path) -> Float64:
    if told.weight not in frame.columns:
        return np.ones(frame.height)
    weight = frame[told.weight].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    if not (np.isfinite(weight).all() and (weight > 0.0).all()):
        raise DataError(f"the weight {told.weight} in {path} must be a positive number in every row")
    return np.asarray(weight, dtype=np.float64)


def _group(frame: pl.DataFrame, told: Description) -> Ints:
    if told.group not in frame.columns:
        return np.arange(frame.height, dtype=np.int64)
    return np.asarray(frame[told.group].cast(pl.String).fill_null("").rank("dense").to_numpy(), dtype=np.int64)


def _era(frame: pl.DataFrame, told: Description, path: Path, training: bool) -> Ints:
    if told.era not in frame.columns:
        if told.era and training:
            raise DataError(f"{path} lacks {told.era}, which names the era of a row")
        return np.zeros(frame.height, dtype=np.int64)
    return np.asarray(frame[told.era].cast(pl.String).fill_null("").rank("dense").to_numpy(), dtype=np.int64)


def _period(frame: pl.DataFrame, told: Description, path: Path, training: bool) -> Ints:
    cut = told.out_of_time
    if cut is None:
        return np.zeros(frame.height, dtype=np.int64)
    if cut.column not in frame.columns:
        if training:
            raise DataError(f"{path} lacks {cut.column}, by which the set is cut in time")
        return np.zeros(frame.height, dtype=np.int64)
    column = pl.col(cut.column)
    late = column > cut.train_to if cut.test_to is None else (column > cut.train_to) & (column <= cut.test_to)
    place = pl.when(column <= cut.train_to).then(0).when(late).then(1).otherwise(-1)
    return np.asarray(frame.select(place.cast(pl.Int64)).to_series().to_numpy(), dtype=np.int64)
