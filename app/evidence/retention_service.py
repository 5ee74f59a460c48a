"""Retention: rows past their time become sums of their year and go; what waits for nobody, old files and old records go too.

A small state a kind (``evidence_retention``) says what is due; one portion is one transaction and one audit event. A process
killed in between loses nothing: the sums of a portion and the removal of its rows are one statement.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.outbox import timed
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.evidence import retention_sweeps as sweeps
from app.evidence.correction_models import EvidenceRetention
from app.evidence.dispute_rules import start_of
from app.evidence.items import Subject
from app.evidence.models import DataItem
from app.evidence.retention_rules import CONSENTS, FILES, LOOKS, OTHERS, QUARANTINE, RETENTION, WAITING, RetentionRules, cutoff
from app.evidence.shapes import SHAPES, Shape

SWEEPS: dict[str, Callable[[RetentionRules], dict[str, int]]] = {
    WAITING: sweeps.waiting, QUARANTINE: sweeps.quarantine, FILES: sweeps.files, LOOKS: sweeps.looks, CONSENTS: sweeps.consents,
}


@timed("evidence.retain")
def retain(ctx: Context, rules: RetentionRules = RETENTION) -> int:
    """What is due, in a bounded number of portions; the rest at the next tick. Returns how many portions ran."""
    ran = 0
    while ran < rules.portions:
        kind = _due()
        if kind is None:
            break
        retain_portion(ctx, kind, rules)
        ran += 1
    return ran


def _due() -> str | None:
    with transaction(Context.of_system("ticker"), read_only=True) as unit:
        kept = set(unit.session.scalars(select(EvidenceRetention.kind)))
        new = [kind for kind in kinds() if kind not in kept]
        return new[0] if new else unit.session.scalar(
            select(EvidenceRetention.kind).where(EvidenceRetention.next_check_at <= now())
            .order_by(EvidenceRetention.next_check_at, EvidenceRetention.kind).limit(1)
        )


def kinds() -> list[str]:
    """Every kind of retention, in the order of a first run: what waits for nobody enters no sum, so it goes before the items."""
    items = session().scalars(
        select(DataItem.code).where(DataItem.retention_months.is_not(None)).order_by(DataItem.position)
    )
    return [WAITING, *(code for code in items if code in SHAPES), *(kind for kind in OTHERS if kind != WAITING)]


@use_case(Permission.RETENTION_RUN, "evidence.retain")
def retain_portion(ctx: Context, kind: str, rules: RetentionRules = RETENTION) -> bool:
    """One portion of one kind, with its sums, its removals and the place where the next one begins. ``True`` once the run ended.

    Running it again where nothing is due changes nothing.
    """
    session().execute(insert(EvidenceRetention).values(
        kind=kind, next_check_at=now(), cutoff=None, after_no=0, started_at=None, finished_at=None, counts={}, last_counts={},
        oldest=None,
    ).on_conflict_do_nothing())
    state = session().scalars(
        select(EvidenceRetention).where(EvidenceRetention.kind == kind).with_for_update(skip_locked=True)
    ).one_or_none()
    if state is None or state.next_check_at > now():
        about(kind=kind, result="nothing to do")
        return True
    # The database lets facts be deleted only where this is said.
    session().execute(text("select set_config('hq.retention', 'on', true)"))
    if state.started_at is None:
        state.started_at, state.after_no, state.counts = now(), 0, {}
    shape = SHAPES.get(kind)
    if shape is None:
        found, ended = _sweep(kind, rules)
    else:
        found, ended = _portion(shape, state, rules)
    state.counts = {name: state.counts.get(name, 0) + found.get(name, 0) for name in {*state.counts, *found}}
    about(kind=kind, cutoff=state.cutoff, ended=ended, counts=found)
    if ended:
        _end(state, shape)
    return ended


def _sweep(kind: str, rules: RetentionRules) -> tuple[dict[str, int], bool]:
    found = SWEEPS[kind](rules)
    return found, not any(found.values())


def _end(state: EvidenceRetention, shape: Shape | None) -> None:
    found = any(state.counts.values())
    if found:
        state.last_counts = {**state.counts, "on": today().isoformat()}
    state.counts, state.finished_at, state.started_at = {}, now(), None
    state.next_check_at = start_of(today() + timedelta(days=1))
    if shape is not None and (found or state.oldest is None):
        state.oldest = session().scalar(text(f"select min({shape.at}) from {shape.name}"))


def _portion(shape: Shape, state: EvidenceRetention, rules: RetentionRules) -> tuple[dict[str, int], bool]:
    months = session().scalars(select(DataItem.retention_months).where(DataItem.code == shape.code)).one()
    if months is None:
        return {}, True
    edge = cutoff(today(), months)
    if state.cutoff == edge and state.after_no == 0 and state.finished_at is not None and state.finished_at >= start_of(
            today().replace(day=1)):
        return {}, True  # what is due changes with the month; this month's run has ended
    came_before = start_of(cutoff(today(), rules.late_history_months))
    if state.cutoff != edge:
        state.cutoff, state.after_no = edge, 0
    subjects = _subjects(shape, state.after_no, edge, came_before, rules.subjects)
    if not subjects:
        state.after_no = 0
        return {}, True
    state.after_no = subjects[-1]
    return aggregate(shape, subjects, edge, came_before), False


def _subjects(shape: Shape, after: int, edge: date, came_before: datetime, limit: int) -> list[int]:
    return list(session().scalars(text(
        f"select {shape.subject_column} from {shape.name} where {shape.subject_column} > :after and {shape.at} < :edge "
        f"and delivery_no in (select number from delivery where item_code = :item and created_at < :came) "
        f"group by 1 order by 1 limit :most"
    ), {"after": after, "edge": edge, "item": shape.code, "came": came_before, "most": limit}))


def aggregate(shape: Shape, subjects: list[int], edge: date, came_before: datetime) -> dict[str, int]:
    """Takes the rows of these firms or meters that are past their time out, and their sums in: one statement.

    Versions that no longer stand, and void invoices, go without entering a sum.
    """
    row = session().execute(text(_statement(shape)).bindparams(
        bindparam("subjects", subjects), bindparam("edge", edge), bindparam("came", came_before), bindparam("item", shape.code),
        bindparam("subject", "firm" if shape.subject is Subject.FIRM else "meter"), bindparam("at", now()),
    )).one()
    return {"rows_deleted": row.deleted, "rows_summed": row.summed, "years": row.years}


def _statement(shape: Shape) -> str:
    category = f"coalesce({shape.category}::text, '')" if shape.category else "''"
    sums = ", ".join(f"'{column}', sum({column})" for column in shape.measures)
    return f"""
with gone as (
  delete from {shape.name} where {shape.subject_column} = any(:subjects) and {shape.at} < :edge
    and delivery_no in (select number from delivery where item_code = :item and created_at < :came)
  returning *),
years as (
  select {shape.subject_column} as subject_no, extract(year from {shape.at})::bigint as year, {category} as category,
         count(*) as rows, bit_or(1::bigint << (extract(month from {shape.at})::int - 1)) as month_bits,
         date_trunc('month', min({shape.at}))::date as first_month, date_trunc('month', max({shape.at}))::date as last_month,
         jsonb_strip_nulls(jsonb_build_object({sums})) as sums
  from gone where {shape.in_force} group by 1, 2, 3),
kept as (
  insert into evidence_year as y (subject, subject_no, item_code, year, category, rows, month_bits, first_month, last_month,
                                  sums, made_at)
  select cast(:subject as text), subject_no, cast(:item as text), year, category, rows, month_bits, first_month, last_month,
         sums, cast(:at as timestamptz) from years
  on conflict on constraint pk_evidence_year do update set
    rows = y.rows + excluded.rows, month_bits = y.month_bits | excluded.month_bits,
    first_month = least(y.first_month, excluded.first_month), last_month = greatest(y.last_month, excluded.last_month),
    sums = hq_add_sums(y.sums, excluded.sums), made_at = excluded.made_at
  returning rows)
select (select count(*) from gone) as deleted, (select coalesce(sum(rows), 0)::bigint from years) as summed,
       (select count(*) from kept) as years
"""
