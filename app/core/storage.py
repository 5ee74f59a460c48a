"""Storage for papers: type, size and SHA-256 are checked; bytes lie under their hash, outside the web root."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from sqlalchemy import Select, select

from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.models import Paper
from app.core.permissions import Permission
from app.core.use_case import about, use_case

CHUNK = 1 << 20
PAPER_LIMIT = 20 * 1024 * 1024
"""Bytes of one paper."""

_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
}
_ENDINGS = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
ALLOWED = "PDF / PNG / JPG"

_root: list[Path] = []


def configure_storage(root: Path) -> None:
    """Sets the folder of papers."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    _root[:] = [root]


def root() -> Path:
    """The folder of papers. Raises ``RuntimeError`` before ``configure_storage``."""
    if not _root:
        raise RuntimeError("app.core.storage.configure_storage was not called")
    return _root[0]


@dataclass(frozen=True)
class Stored:
    """Bytes that were taken in. ``size`` in bytes."""

    sha256: bytes
    size: int
    path: Path
    head: bytes


def path_of(sha256: bytes) -> Path:
    """Where the bytes of a hash lie."""
    name = sha256.hex()
    return root() / name[:2] / name


def take_in(stream: IO[bytes], *, limit: int, limit_text: str) -> Stored:
    """Streams bytes to their place under their hash. Raises ``Refusal(FILE_TOO_LARGE)`` past ``limit`` bytes."""
    hasher, size, head = hashlib.sha256(), 0, b""
    with tempfile.NamedTemporaryFile(dir=root(), delete=False) as out:
        try:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise Refusal(ErrorCode.FILE_TOO_LARGE, field="file", limit=limit_text)
                head = head or chunk[:16]
                hasher.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        except BaseException:
            os.unlink(out.name)
            raise
    target = path_of(hasher.digest())
    target.parent.mkdir(exist_ok=True, mode=0o700)
    os.replace(out.name, target)
    return Stored(hasher.digest(), size, target, head)


@use_case(Permission.PAPER_UPLOAD, "paper.store", returns=Paper)
def store_paper(
    ctx: Context, *, subject_type: str, subject_id: UUID, case_id: UUID | None, kind: str, filename: str,
    stored: Stored, seal_id: UUID | None = None,
) -> Paper:
    """Keeps a paper with a subject the actor's organisation owns. Raises ``Refusal(FILE_TYPE)`` where name or bytes differ."""
    media_type = _ENDINGS.get(Path(filename).suffix.lower())
    if media_type is None or not stored.head.startswith(_SIGNATURES[media_type]):
        raise Refusal(ErrorCode.FILE_TYPE, field="file", allowed=ALLOWED)
    assert ctx.org_id is not None
    paper = Paper(
        org_id=ctx.org_id, case_id=case_id, subject_type=subject_type, subject_id=subject_id, seal_id=seal_id, kind=kind,
        filename=Path(filename).name[:200], media_type=media_type, size=stored.size, sha256=stored.sha256,
        stored_at=now(), stored_by=ctx.actor_id,
    )
    session().add(paper)
    session().flush()
    about(paper, sha256=stored.sha256, size=stored.size, kind=kind)
    return paper


def copy_paper(ctx: Context, paper: Paper, *, subject_id: UUID, case_id: UUID | None) -> Paper:
    """The same bytes as a paper of another subject of the same kind and organisation. ``paper`` was read by the actor."""
    copy = Paper(
        org_id=paper.org_id, case_id=case_id, subject_type=paper.subject_type, subject_id=subject_id, kind=paper.kind,
        filename=paper.filename, media_type=paper.media_type, size=paper.size, sha256=paper.sha256, stored_at=now(),
        stored_by=ctx.actor_id,
    )
    session().add(copy)
    session().flush()
    return copy


def papers_of(subject: Any) -> list[Paper]:
    """Papers of a subject that the actor may see, oldest first."""
    return list(session().scalars(
        select(Paper).where(Paper.subject_type == subject.__tablename__, Paper.subject_id == subject.id)
        .order_by(Paper.stored_at)
    ))


def papers_of_case(case_id: UUID) -> Select[Paper]:
    """Papers of a case that the actor may see, oldest first."""
    return select(Paper).where(Paper.case_id == case_id).order_by(Paper.stored_at)


@use_case(Permission.PAPER_READ, "paper.read", returns=Paper)
def fetch_paper(ctx: Context, paper_id: UUID) -> Paper:
    """A paper to be sent to the actor; the look is recorded. Raises ``Refusal(NOT_FOUND)``, also where bytes do not match."""
    paper = get_or_404(Paper, paper_id)
    path = path_of(bytes(paper.sha256))
    if not path.exists() or hashlib.sha256(path.read_bytes()).digest() != bytes(paper.sha256):
        raise Refusal(ErrorCode.NOT_FOUND)
    about(paper)
    return paper
