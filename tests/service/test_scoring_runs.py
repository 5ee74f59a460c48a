"""Many firms are scored in chunks: progress can be seen, nothing is done twice, and a killed worker loses one chunk at most."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.core import outbox
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.credit import computing, run_queries, run_service, service
from app.credit.models import CreditProfile
from app.credit.queries import consenting_firms
from app.credit.rules import PARAMETERS
from app.credit.run_models import ScoringChunk, ScoringRun
from app.credit.run_queries import Run
from app.credit.run_service import Cause
from app.credit.storing import Standing
from tests import cast
from tests.credit_cast import city, consent, current, deliver, firm_with_invoices, register_model

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]

SMALL = replace(PARAMETERS, chunk=2)


class Killed(Exception):
    """The worker dies."""


def town(firms: int = 3) -> list[cast.Cast]:
    """Consenting firms with invoices, whom no model has scored yet."""
    made = [firm_with_invoices(number, f"广州岭南第{number}机械有限公司") for number in range(firms)]
    for firm in made:
        consent(firm)
    return made


def begun(cause: Cause = Cause.MODEL) -> ScoringRun:
    """A run of every consenting firm, two to a chunk."""
    with transaction(cast.SYSTEM):
        run = run_service.begin(cause, consenting_firms(), parameters=SMALL)
    assert run is not None
    return run


def runs(ctx=cast.SYSTEM) -> list[Run]:
    with reading(ctx, Permission.PROFILE_COMPUTE if ctx is cast.SYSTEM else Permission.SCORING_RUN):
        return run_queries.latest()


def waiting() -> int:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalar(sa.text("select count(*) from outbox where topic = 'credit.chunk' and state = 'pending'")) or 0


def test_a_run_says_how_far_it_is_and_ends_when_every_firm_is_scored() -> None:
    firms = town()
    register_model()
    outbox.drain()
    run = begun()
    assert waiting() == 2
    told = runs(cast.platform()[Role.SYSTEM_ADMIN])[0]
    assert (told.firms, told.done, told.per_second, told.seconds_left) == (3, 0, None, None)
    run_service.score_chunk(cast.SYSTEM, run.id, 1)
    told = runs()[0]
    assert (told.done, told.scored, told.finished) == (2, 2, False)
    assert told.per_second is not None and told.per_second > 0 and told.seconds_left is not None
    outbox.drain()
    told = runs()[0]
    assert (told.done, told.scored, told.finished, told.seconds_left) == (3, 3, True, None)
    assert all(current(firm).score is not None for firm in firms)  # type: ignore[union-attr]


def test_a_worker_that_is_killed_leaves_its_chunk_to_be_done_and_the_others_done() -> None:
    town()
    register_model()  # its run is still waiting
    with transaction(cast.SYSTEM):
        session().execute(sa.text("update outbox set state = 'dead' where state = 'pending'"))
    run = begun()
    run_service.score_chunk(cast.SYSTEM, run.id, 2)
    with pytest.raises(Killed), transaction(cast.SYSTEM):
        run_service.score_chunk(cast.SYSTEM, run.id, 1)
        raise Killed
    with transaction(cast.SYSTEM, read_only=True):
        done = list(session().scalars(sa.select(ScoringChunk.no).where(ScoringChunk.done_at.is_not(None))))
        assert done == [2] and session().scalar(sa.select(sa.func.count()).select_from(CreditProfile)) == 1
    outbox.drain()
    assert runs()[0].finished
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(sa.select(sa.func.count()).select_from(CreditProfile)) == 3


def test_a_firm_gets_the_same_profile_alone_and_while_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    firms = [*town(), firm_with_invoices(7, "广州不授权商行")]
    register_model()
    with transaction(cast.SYSTEM):  # nobody is scored yet
        session().execute(sa.text("update outbox set state = 'dead' where state = 'pending'"))
    for module in (computing, service):
        monkeypatch.setattr(module, "AT_ONCE", 2)
    assert service.compute_profiles(cast.SYSTEM, [firm.id for firm in firms]) == 3
    told = [current(firm) for firm in firms]
    assert [profile.state for profile in told if profile] == ["scored", "scored", "scored", "no_consent"]
    for firm, profile in zip(firms, told, strict=True):
        again = service.compute_profile(cast.SYSTEM, firm.id)
        assert profile is not None and again is not None and again.id == profile.id


def test_two_workers_take_two_chunks_of_a_first_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither waits in vain for what both keep first: how far deliveries tell, and the list of features."""
    firms = town(4)
    register_model()
    with transaction(cast.SYSTEM):
        session().execute(sa.text("update outbox set state = 'dead' where state = 'pending'"))
    run, both = begun(), Barrier(2, timeout=30)
    monkeypatch.setattr(service, "NEIGHBOURS", 1)
    inside = service.standing_of

    def together(ids: list[UUID]) -> Standing:
        both.wait()
        return inside(ids)

    monkeypatch.setattr(service, "standing_of", together)
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(lambda number: run_service.score_chunk(cast.SYSTEM, run.id, number), (1, 2)))
    assert (runs()[0].scored, runs()[0].finished) == (4, True)
    told = [current(firm) for firm in firms]
    monkeypatch.undo()
    for firm, profile in zip(firms, told, strict=True):
        again = service.compute_profile(cast.SYSTEM, firm.id)
        assert profile is not None and again is not None and again.id == profile.id


def test_a_chunk_that_is_done_stays_done() -> None:
    firms = town(1)
    register_model()
    outbox.drain()
    first, run = current(firms[0]), begun()
    run_service.score_chunk(cast.SYSTEM, run.id, 1)
    with transaction(cast.SYSTEM, read_only=True):
        at = session().scalar(sa.select(ScoringChunk.done_at).where(ScoringChunk.run_id == run.id))
    deliver(firms[0], city()[7].lines)
    run_service.score_chunk(cast.SYSTEM, run.id, 1)
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(sa.select(ScoringChunk.done_at).where(ScoringChunk.run_id == run.id)) == at
    assert current(firms[0]).id == first.id  # type: ignore[union-attr]


def test_the_button_begins_one_run_and_pressed_again_lets_it_go_on() -> None:
    town(1)
    register_model()
    outbox.drain()
    admin = cast.platform()[Role.SYSTEM_ADMIN]
    first, second = run_service.score_everybody(admin), run_service.score_everybody(admin)
    assert first.id == second.id and first.asked_by == admin.actor_id and waiting() == 1
    with transaction(cast.SYSTEM):  # its only chunk gives up
        session().execute(sa.text("update outbox set state = 'dead' where topic = 'credit.chunk'"))
    assert run_service.score_everybody(admin).id == first.id and waiting() == 1
    outbox.drain()
    assert runs()[0].finished
    assert run_service.score_everybody(admin).id != first.id


def test_without_a_model_or_a_consent_there_is_nothing_to_run() -> None:
    admin = cast.platform()[Role.SYSTEM_ADMIN]
    with pytest.raises(Refusal) as refused:
        run_service.score_everybody(admin)
    assert refused.value.code is ErrorCode.NO_MODEL
    register_model()
    with pytest.raises(Refusal) as refused:
        run_service.score_everybody(admin)
    assert refused.value.code is ErrorCode.NOBODY_CONSENTS


@pytest.mark.parametrize("role", [Role.DESK, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN])
def test_nobody_but_the_system_administrator_starts_a_run(role: Role) -> None:
    with pytest.raises(Refusal) as refused:
        run_service.score_everybody(cast.platform()[role])
    assert refused.value.code is ErrorCode.FORBIDDEN


def test_new_data_of_a_delivery_make_a_run_of_the_firms_that_consented() -> None:
    firms = town(2)
    silent = firm_with_invoices(2, "广州海珠云帆软件有限公司")
    register_model()
    outbox.drain()
    with transaction(cast.SYSTEM):
        outbox.emit("delivery.taken_in", delivery_id=new_id(), firm_ids=[firm.id for firm in (*firms, silent)])
    outbox.drain()
    told = runs()[0]
    assert (told.cause, told.firms, told.finished) == ("delivery", 2, True)


def test_a_run_that_hears_nothing_for_long_counts_as_stuck() -> None:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    run = Run(new_id(), "asked", at, 1000, None, 400, 390, at, at + timedelta(seconds=8))
    assert run.per_second == 50.0 and run.seconds_left == 12
    assert not run.quiet(at + timedelta(seconds=100)) and run.quiet(at + timedelta(seconds=8 + PARAMETERS.run_quiet_seconds + 1))
    assert not replace(run, done=1000).quiet(at + timedelta(days=1))
