"""The electronic business licence behind an interface: who else could confirm that a licence is genuine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.core.working import N_


class LicenceStatus(StrEnum):
    """What a registry says about a licence."""

    MATCHES = "matches"
    DIFFERS = "differs"
    NOT_CONNECTED = "not_connected"


@dataclass(frozen=True)
class LicenceAnswer:
    """The answer of a registry; ``message`` is a Chinese message id for the desk."""

    status: LicenceStatus
    registry: str
    message: str


class LicenceRegistry(Protocol):
    """A source that knows licences, such as the electronic business licence (电子营业执照)."""

    def check(self, uscc: str, name: str, representative: str) -> LicenceAnswer:
        """Whether code, name and legal representative belong together."""
        ...


class DeskRegistry:
    """No registry is connected: the desk compares the uploaded licence by eye, and this says so."""

    def check(self, uscc: str, name: str, representative: str) -> LicenceAnswer:
        """Always ``NOT_CONNECTED``: it claims nothing about the licence."""
        return LicenceAnswer(
            LicenceStatus.NOT_CONNECTED, "desk",
            N_("尚未接入电子营业执照，系统没有做任何比对。请服务台人员打开企业上传的执照，逐项核对代码、名称和法定代表人。"),
        )


REGISTRY: LicenceRegistry = DeskRegistry()
