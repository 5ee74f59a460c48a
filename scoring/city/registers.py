"""Registers: the firm itself and its changes, certificates and rights, penalties, cases and lists.

Numbers of documents say 演示 (demonstration) wherever an office would put its own sign.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from scoring.city.block import Block
from scoring.city.codes import padded
from scoring.city.firms import SOLE
from scoring.city.frames import NEVER, Bools, Floats, Ints, days, fen, words, yuan
from scoring.city.trades import TRADES
from scoring.city.window import first_days
from scoring.synthetic_city import DISTRICTS

CHANGES: Final = ("representative", "address", "capital", "shareholder", "scope", "name")
CERTIFICATES: Final = ("high_tech", "specialised", "little_giant", "tech_sme")
RIGHTS: Final = ("invention", "utility_model", "trademark", "software")
PENALTIES: Final = ("warning", "fine", "confiscation", "abnormal", "other")
ROLES: Final = ("plaintiff", "defendant", "debtor", "creditor")
CASES: Final = ("judgment", "enforcement", "dishonest")
_YEARS_BACK: Final = 5.0
"""How far back registers reach."""
_CERTIFIED: Final = ("高新技术企业证书", "专精特新中小企业证书", "专精特新“小巨人”企业证书", "科技型中小企业入库登记")
_OFFICES: Final = ("广东省科技厅（演示）", "广东省工业和信息化厅（演示）", "工业和信息化部（演示）", "广州市科技局（演示）")
_AUTHORITIES: Final = ("市场监管局", "税务局", "生态环境局", "应急管理局")
_COURTS: Final = tuple(f"广州市{name}人民法院（演示）" for name, _ in DISTRICTS)
_LISTS: Final = ("重大税收违法失信主体（演示）", "严重违法失信企业名单（演示）")
_TYPES: Final = ("有限责任公司（自然人投资或控股）", "个体工商户", "农民专业合作社")


def registration(block: Block) -> pl.DataFrame:
    """One row per firm. A few in deep distress have suspended business or were struck off."""
    firms, rng = block.firms, block.rng(300)
    n = len(firms)
    capital = np.exp(np.log(firms.monthly_yuan * 3.0) + 0.5 * rng.standard_normal(n))
    rounded = np.maximum(1, np.rint(capital / 100_000)).astype(np.int64) * 10_000_000
    capital_fen = np.where(firms.form == SOLE, 5_000_000, rounded)
    ends = rng.random(n) < 0.08 * np.clip(block.distress(), 0.0, 2.0)
    status = np.where(ends, np.where(rng.random(n) < 0.7, 1, 2), 0)
    scope = words([f"{trade.industry.word}及相关业务（演示）" for trade in TRADES], firms.trade)
    return pl.DataFrame({
        "uscc": firms.uscc, "name": firms.name, "type": words(_TYPES, firms.form), "capital": yuan(capital_fen),
        "established_on": days(firms.opened_day), "status": words(("open", "suspended", "revoked"), status), "scope": scope,
        "as_of": days(np.full(n, block.window.seen_day)),
    })  # fmt: skip


def registration_changes(block: Block) -> pl.DataFrame:
    """Changes; in distress representatives, addresses and shareholders change more often."""
    rng = block.rng(310)
    who, day, hard = _events(block, rng, np.full(len(block.firms), 0.25), 0.5)
    calm = np.array([0.16, 0.34, 0.47, 0.65, 0.93, 1.0])
    troubled = np.array([0.35, 0.65, 0.7, 0.95, 0.99, 1.0])
    kind = (rng.random(len(who))[:, None] >= np.where(hard[:, None], troubled, calm)).sum(axis=1)
    frame = pl.DataFrame({"uscc": block.firms.uscc.gather(who), "changed_on": days(day), "kind": words(CHANGES, kind)})
    return frame.unique(maintain_order=True)


def qualifications(block: Block) -> pl.DataFrame:
    """Certificates of technical firms, valid for three years (a yearly entry for small technical firms)."""
    firms, rng = block.firms, block.rng(320)
    tech = firms.of_trade("tech")
    frames = []
    for kind, (rate, size) in enumerate(((0.05, 0.6), (0.02, 0.8), (0.001, 1.3), (0.06, 0.2))):
        held = rng.random(len(firms)) < np.clip(rate * tech * np.exp(size * firms.z - size**2 / 2 - 0.2 * firms.s), 0.0, 0.8)
        who = np.flatnonzero(held & (firms.form < SOLE) & (firms.opened_day < block.window.end_day - 400))
        years = 1 if kind == 3 else 3
        start = np.maximum(firms.opened_day[who] + 300, block.window.seen_day - rng.integers(1, years * 400, len(who)))
        start = np.minimum(start, block.window.end_day)
        frames.append(pl.DataFrame({
            "uscc": firms.uscc.gather(who), "kind": words(CERTIFICATES, np.full(len(who), kind)),
            "certificate_no": padded(firms.number[who] * 4 + kind, 9, "演示GR44"),
            "name": words(_CERTIFIED, np.full(len(who), kind)), "issuer": words(_OFFICES, np.full(len(who), kind)),
            "valid_from": days(start), "valid_to": days(start + 365 * years),
        }))  # fmt: skip
    return pl.concat(frames)


def ip(block: Block) -> pl.DataFrame:
    """Patents, marks and software; some of the inventions are pledged."""
    firms, rng = block.firms, block.rng(330)
    rate = np.clip(0.35 * firms.of_trade("tech") * np.exp(0.5 * firms.z - 0.1 * firms.s) * (firms.form < SOLE), 0.0, 8.0)
    who, day, _ = _events(block, rng, rate, 0.0)
    kind = np.searchsorted([0.12, 0.45, 0.7], rng.random(len(who)), side="right")
    years = np.array([20, 10, 10, 50])[kind]
    return pl.DataFrame({
        "uscc": firms.uscc.gather(who), "kind": words(RIGHTS, kind), "number": _numbers(block, who, "演示ZL"),
        "title": words(["一种装置（演示）", "一种工具（演示）", "商标（演示）", "管理软件（演示）"], kind),
        "granted_on": days(day), "expires_on": days(day + np.rint(years * 365.25).astype(np.int64)),
        "pledged": pl.Series((kind == 0) & (rng.random(len(who)) < 0.08)),
    })  # fmt: skip


def penalties(block: Block) -> pl.DataFrame:
    """Decisions of offices; most are repaired in time. A firm that cannot be found goes on the abnormal list."""
    rng = block.rng(340)
    who, day, hard = _events(block, rng, 0.03 * np.exp(0.3 * block.firms.s), 0.15)
    kind = np.searchsorted([0.3, 0.75, 0.8, 0.95], rng.random(len(who)), side="right")
    kind = np.where(hard & (rng.random(len(who)) < 0.5), 3, kind)
    repaired = day + 30 + (rng.standard_exponential(len(who)) * np.where(hard, 900, 240)).astype(np.int64)
    authority = rng.integers(0, len(_AUTHORITIES), len(who))
    return pl.DataFrame({
        "uscc": block.firms.uscc.gather(who), "document_no": _numbers(block, who, "演示罚决字"),
        "authority": words([f"广州市{name}（演示）" for name in _AUTHORITIES], np.where(kind == 3, 0, authority)),
        "kind": words(PENALTIES, kind), "amount": _amounts(rng, (kind == 1) | (kind == 2), 3_000.0, 1.2, 100),
        "decided_on": days(day), "repaired_on": days(repaired, repaired <= block.window.seen_day),
    })  # fmt: skip


def justice(block: Block) -> pl.DataFrame:
    """Court cases: a firm in distress is sued, then enforced against, then listed; others also sue for their money."""
    firms, rng = block.firms, block.rng(350)
    who, day, hard = _events(block, rng, 0.06 * np.exp(0.2 * firms.s), 0.6)
    n = len(who)
    chances = np.where(hard[:, None], [0.0, 0.55, 1.0], [0.5, 0.85, 0.85])
    role = (rng.random(n)[:, None] >= chances).sum(axis=1)
    kind = np.where(role == 2, np.where(rng.random(n) < 0.2, 2, 1), np.where(role == 3, 1, 0))
    closed = day + 45 + (rng.standard_exponential(n) * np.where(hard, 400, 150)).astype(np.int64)
    amount = fen(np.exp(np.log(firms.monthly_yuan[who] * 0.4) + 0.8 * rng.standard_normal(n)) * 100.0)
    is_open = (closed > block.window.seen_day) | (kind == 2)
    unpaid = np.where(is_open & (role == 2), fen(amount * rng.uniform(0.4, 1.0, n)), 0)
    return pl.DataFrame({
        "uscc": firms.uscc.gather(who), "case_no": _numbers(block, who, "（演示）粤01民初"), "role": words(ROLES, role),
        "kind": words(CASES, kind), "court": words(_COURTS, firms.district[who]), "amount": yuan(amount),
        "filed_on": days(day), "closed_on": days(closed, ~is_open), "unpaid": yuan(unpaid),
    })  # fmt: skip


def dishonesty(block: Block) -> pl.DataFrame:
    """Lists of serious dishonesty: rare, nearly always after distress."""
    rng = block.rng(360)
    who, day, _ = _events(block, rng, np.full(len(block.firms), 0.0008), 0.03)
    which = rng.integers(0, 2, len(who))
    removed = day + 180 + (rng.standard_exponential(len(who)) * 700).astype(np.int64)
    frame = pl.DataFrame({
        "uscc": block.firms.uscc.gather(who), "list_name": words(_LISTS, which), "listed_on": days(day),
        "authority": words(("广州市税务局（演示）", "广州市市场监管局（演示）"), which),
        "removed_on": days(removed, removed <= block.window.seen_day),
    })  # fmt: skip
    return frame.unique(["uscc", "list_name", "listed_on"], keep="first", maintain_order=True)


def _events(block: Block, rng: np.random.Generator, a_year: Floats, in_distress: float) -> tuple[Ints, Ints, Bools]:
    """Firm (place in the block), day, and whether distress caused it, in the order of firms.

    ``a_year``: events per year since opening, at most ``_YEARS_BACK``; ``in_distress``: more per year of depth 1 since onset.
    """
    firms, seen = block.firms, block.window.seen_day
    since = np.maximum(firms.opened_day, seen - int(_YEARS_BACK * 365))
    began = first_days(block.window.first + np.where(firms.onset < NEVER, firms.onset, 0))
    began = np.where(firms.onset < NEVER, np.minimum(began, seen), seen)
    calm = rng.poisson(a_year * (seen - since) / 365.0)
    hard = rng.poisson(in_distress * firms.depth * (seen - began) / 365.0)
    everyone = np.arange(len(firms))
    who = np.concatenate([np.repeat(everyone, calm), np.repeat(everyone, hard)])
    by_distress = np.arange(len(who)) >= calm.sum()
    start = np.where(by_distress, began[who], since[who])
    day = start + (rng.random(len(who)) * (seen - start)).astype(np.int64)
    order = np.argsort(who, kind="stable")
    return who[order], day[order], by_distress[order]


def _numbers(block: Block, who: Ints, sign: str) -> pl.Series:
    """A number for each event that no other event of the city has."""
    first = np.searchsorted(who, who)
    return padded(block.firms.number[who] * 1_000 + np.arange(len(who)) - first, 10, sign) + "号"


def _amounts(rng: np.random.Generator, named: Bools, typical_yuan: float, spread: float, step_yuan: int) -> pl.Series:
    """Amounts around ``typical_yuan`` in steps; null where there is none."""
    drawn = np.exp(np.log(typical_yuan) + spread * rng.standard_normal(len(named))) / step_yuan
    return yuan(np.maximum(1, np.rint(drawn)).astype(np.int64) * step_yuan * 100, named)


