"""Training a model in a process of its own (design §4.13)."""

from __future__ import annotations

import os
import subprocess
import sys
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


class TrainingData(StrEnum):
    """What a model may learn on from the page."""

    SYNTHETIC = "synthetic"
    REAL = "real"


class TrainingFailed(ReadableError):
    """The trainer ended with an error; the message is its own sentence."""


def real_folder(settings: Settings) -> Path:
    """Where the labelled real firms lie, if they do."""
    return settings.real_data / REAL_SET


def train_model(settings: Settings, out: Path, *, repeats: int | None = None) -> str:
    """The model of a first start: on the labelled real firms where the data folder holds them, else on synthetic ones.

    ``repeats``: rounds of cross-validation, the trainer's own number where ``None``. Raises ``TrainingFailed``.
    """
    rounds = [] if repeats is None else ["--repeats", str(repeats)]
    return _run(["scoring.legacy", "train", "--out", str(out), *rounds], out, settings.real_data)


def train_on(data: TrainingData, settings: Settings, out: Path, *, repeats: int = REPEATS) -> str:
    """Trains on one of the sets a page offers and writes the model file ``out``. Returns what the trainer printed.

    Raises ``TrainingFailed``.
    """
    rounds = ["--repeats", str(repeats)]
    if data is TrainingData.REAL:
        folder = real_folder(settings)
        return _run(["scoring", "train", "--data", str(folder), "--out", str(out), *rounds], out, settings.real_data)
    return _run(["scoring.legacy", "train", "--out", str(out), *rounds], out, out.parent / "no-real-data")


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
