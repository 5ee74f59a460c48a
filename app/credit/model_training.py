"""Training a model in a process of its own (design §4.13)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.paths import ReadableError

if TYPE_CHECKING:
    from app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
REAL_SET = "cumcm2020c"
REPEATS = 5
"""Rounds of cross-validation of a training that was asked for on the page (proposal)."""
CITY_FIRMS = 1500
"""Firms of the synthetic city that a first model learns on: seconds of training, some 80 defaults (proposal)."""


class TrainingData(StrEnum):
    """What a model may learn on from the page."""

    SYNTHETIC = "synthetic"
    REAL = "real"


class TrainingFailed(ReadableError):
    """The trainer ended with an error; the message is its own sentence."""


def real_folder(settings: Settings) -> Path:
    """Where the labelled real firms lie, if they do."""
    return settings.real_data / REAL_SET


def train_model(
    settings: Settings, out: Path, *, repeats: int = 0, city_firms: int = CITY_FIRMS, more: Sequence[str] = (),
) -> str:
    """The model of a first start: on a synthetic city of every source, which every page then says.

    The labelled real firms are told by invoices alone; a model of them is trained on the page and decided on by two people.
    See ``train_on``. Raises ``TrainingFailed``.
    """
    return train_on(TrainingData.SYNTHETIC, settings, out, repeats=repeats, city_firms=city_firms, more=more)


def train_on(
    data: TrainingData, settings: Settings, out: Path, *, repeats: int = REPEATS, city_firms: int = CITY_FIRMS,
    more: Sequence[str] = (),
) -> str:
    """Trains on one of the sets a page offers and writes the model file ``out``. Returns what the trainer printed.

    ``repeats``: rounds of cross-validation. ``city_firms``: firms of the synthetic city. ``more``: further arguments of
    ``python -m scoring train``. Raises ``TrainingFailed``.
    """
    learnt_on = {
        TrainingData.REAL: ["--data", str(real_folder(settings))], TrainingData.SYNTHETIC: ["--city", str(city_firms)],
    }
    wanted = [*learnt_on[data], "--out", str(out), "--repeats", str(repeats), *more]
    return _run(["scoring", "train", *wanted], out, settings.real_data)


def _run(arguments: list[str], out: Path, real_data: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HUIQIAO_REAL_DATA": str(real_data)}
    out.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise TrainingFailed(f"The scoring model could not be trained: {last[0] if last else 'no reason was given'}.")
    return done.stdout
