"""What tests of the model register need: the people of a governed register, and models in each state."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from app.core.context import Context
from app.core.database import transaction
from app.core.permissions import Role
from app.credit import model_files, model_service
from app.credit.model_states import ModelState
from app.credit.models import ScoringModel
from tests import cast
from tests.credit_cast import model_file

WHY = "样本外表现更好"


@lru_cache(maxsize=4)
def content(seed: int) -> bytes:
    """The bytes of a small model."""
    return model_file(seed).read_bytes()


@dataclass
class Governors:
    """``system`` brings models and may not approve; ``security`` and ``leader`` approve; ``audit`` watches."""

    platform: cast.Cast = field(default_factory=cast.platform)
    bureau: cast.Cast = field(default_factory=cast.bureau)

    @property
    def system(self) -> Context:
        return self.platform[Role.SYSTEM_ADMIN]

    @property
    def security(self) -> Context:
        return self.platform[Role.SECURITY_ADMIN]

    @property
    def audit(self) -> Context:
        return self.platform[Role.AUDIT_ADMIN]

    @property
    def leader(self) -> Context:
        return self.bureau[Role.BUREAU_LEADER]

    def candidate(self, seed: int = 12) -> ScoringModel:
        """A model brought by the system administrator, beside one that scores."""
        model_service.register_model(cast.SYSTEM, model_file(11))
        with transaction(self.system):  # what an upload does once the file was tried out in a process of its own
            told = model_files.read_bytes(content(seed))
            return model_service.add(self.system, told, content(seed), origin="uploaded", note=WHY)

    def activated(self, seed: int = 12) -> ScoringModel:
        """The same, approved by the one and activated by the other."""
        model = self.candidate(seed)
        model_service.decide(self.security, model.id, "approve", WHY)
        return model_service.decide(self.system, model.id, "activate", WHY)

    def model_in(self, state: ModelState) -> ScoringModel:
        """A model in a state, by the shortest road there."""
        model = self.candidate()
        roads: dict[ModelState, tuple[tuple[Context, str], ...]] = {
            ModelState.CANDIDATE: (),
            ModelState.APPROVED: ((self.leader, "approve"),),
            ModelState.REFUSED: ((self.leader, "refuse"),),
            ModelState.ACTIVE: ((self.leader, "approve"), (self.system, "activate")),
        }
        if state in roads:
            for who, event in roads[state]:
                model = model_service.decide(who, model.id, event, WHY)
            return model
        first = model_service.register_model(cast.SYSTEM, model_file(11))
        for who, event in roads[ModelState.ACTIVE]:
            model_service.decide(who, model.id, event, WHY)
        if state is ModelState.RECALLED:
            return model_service.decide(self.system, first.id, "recall", WHY)
        return first
