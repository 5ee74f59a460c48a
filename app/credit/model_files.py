"""Model files: read, checked, and told as the columns of the register. JSON only: nothing in a file is ever run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from app.core.errors import N_
from app.core.paths import ReadableError
from app.credit.model_shapes import sound_metrics

ROOT = Path(__file__).resolve().parents[2]
TRIAL_SECONDS = 60
SYNTHETIC_SETS = ("city", "synthetic")
"""``about["set"]`` of models that learned on made-up firms."""


class ModelUnusable(ReadableError):
    """The model file is missing, damaged, altered, or made for other features; the message says which, ``why`` in Chinese."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A checked model with what the register keeps beside the file."""

    model: Any
    version: str
    trained_on: str
    trained_at: date
    window_from: date | None
    window_to: date | None
    firms: int
    defaults: int
    metrics: dict[str, Any]
    bands: dict[str, str]


def read(path: Path) -> ModelFile:
    """Reads a model file. Raises ``ModelUnusable``."""
    from scoring.errors import ModelError
    from scoring.model import Model

    try:
        return _told(Model.load(path))
    except ModelError as error:
        raise _unusable(error) from error


def _unusable(error: ValueError) -> ModelUnusable:
    said = str(error)
    why = N_("文件损坏，或不是评分模型")
    if "altered" in said:
        why = N_("文件写成之后被改动过")
    elif "its format is" in said:
        why = N_("不是本平台使用的模型格式")
    return ModelUnusable(f"{said[0].upper()}{said[1:]}.", why)


def read_bytes(content: bytes) -> ModelFile:
    """The same for a file held in memory."""
    with tempfile.NamedTemporaryFile(prefix="huiqiao-model-", suffix=".json") as file:
        file.write(content)
        file.flush()
        return read(Path(file.name))


def _told(model: Any) -> ModelFile:
    from scoring.features.registry import NAMES

    absent = sorted(set(model.names) - set(NAMES))
    if absent:
        raise ModelUnusable(f"The model reads what this portal does not compute: {', '.join(absent[:5])}.",
                            N_("它要读的特征本平台没有计算"))
    about, bands = model.about, model.bands
    return ModelFile(
        model=model, version=model.version, trained_on="synthetic" if about.get("set") in SYNTHETIC_SETS else "real",
        trained_at=model.trained_at, window_from=_day(about.get("window_from")),
        window_to=_day(about.get("window_to") or about.get("as_of")), firms=int(about.get("rows", 0)),
        defaults=int(about.get("defaults", 0)), metrics=sound_metrics(model.metrics),
        bands={"A": str(bands.a), "B": str(bands.b), "C": str(bands.c), "D": str(bands.d)},
    )


def _day(text: Any) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) else None


_TRIAL = """
import sys
from pathlib import Path
import numpy as np
from app.credit.model_files import read
told = read(Path(sys.argv[1])).model
told.score(np.full((1, len(told.columns)), np.nan))
"""


def try_out(content: bytes) -> None:
    """Lets the file score one empty row, in a process of its own: a damaged tree may end the process that reads it.

    Raises ``ModelUnusable``.
    """
    with tempfile.NamedTemporaryFile(prefix="huiqiao-model-", suffix=".json") as file:
        file.write(content)
        file.flush()
        try:
            done = subprocess.run(
                [sys.executable, "-c", _TRIAL, file.name], cwd=ROOT, capture_output=True, timeout=TRIAL_SECONDS, check=False,
            )
        except subprocess.TimeoutExpired:
            raise ModelUnusable("The model did not score one row in time.", N_("试算一行没有按时完成")) from None
    if done.returncode != 0:
        raise ModelUnusable("The model does not score a row.", N_("试算一行失败，模型的树读不出来"))
