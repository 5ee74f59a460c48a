"""The closing rush: 2,000 sealed bids of 50 banks for 40 needs in the last minute, over HTTP, while the real ticker closes.

Most come as fast as eight clients can send them from a minute before the hour on; the last 200 are aimed at half a second before
to half a second after it. Counted is what must never happen: a bid lost, a late one taken, a receipt that does not verify, a need
closed twice. The floor is what the same rows cost as bare single-row inserts, each committed by itself.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from psycopg.types.json import Jsonb

from app.core.calendar import now
from app.core.database import session, transaction
from app.core.permissions import Role
from app.market import bid_service, receipt_service
from app.market.models import Need
from app.market.receipt_rules import check
from benchmarks.measure import Bench, Result, bench_database
from benchmarks.served import OURS, cookie, environment, portal_settings, process, served
from tests import cast, market_cast

NEEDS, BANKS = 40, 50
CLIENTS, AIMED, AIMING_CLIENTS = 8, 200, 40
PORT = 8394
MINUTE, AIM = 60.0, 0.5
CSRF = "rush"


@dataclass(frozen=True)
class Sent:
    """One submission: which bid, when it left (clock of this machine), and what came back."""

    bid_id: UUID
    at: float
    status: int
    taken: bool
    words: str


def fill() -> tuple[list[cast.Cast], list[UUID], list[tuple[int, UUID]]]:
    """Banks, needs, and proposed bids with the number of their bank; nobody has handed one in."""
    needs = [market_cast.open_need(cast.firm(f"广州基准{number}有限公司")) for number in range(NEEDS)]
    banks = [cast.bank(f"基准银行{number}") for number in range(BANKS)]
    bids = []
    for number, bank in enumerate(banks):
        product = market_cast.product(bank)
        for need in needs:
            bid = bid_service.draft_bid(bank[Role.BANK_OFFICER], need.id, market_cast.terms(product))
            bid_service.propose_bid(bank[Role.BANK_OFFICER], bid.id)
            bids.append((number, bid.id))
    return banks, [need.id for need in needs], bids


class Sender:
    """Hands bids in over HTTP as the approvers do: their session, a form token, one connection a client."""

    def __init__(self, app: Flask, banks: list[cast.Cast]) -> None:
        self._app = app
        self._cookies = [cookie(app, bank.logins[Role.BANK_APPROVER], cast.PASSWORD, csrf_token=CSRF) for bank in banks]
        token = URLSafeTimedSerializer(app.config["SECRET_KEY"], salt="wtf-csrf-token").dumps(CSRF)
        self._body = urlencode({"csrf_token": token})
        self._local = threading.local()

    def send(self, number: int, bid_id: UUID) -> Sent:
        """One submission and the sentence that answered it."""
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
        at = time.time()
        self._local.connection.request("POST", f"/bids/{bid_id}/submit", self._body, {
            "Cookie": self._cookies[number], "Content-Type": "application/x-www-form-urlencoded",
        })  # fmt: skip
        answer = self._local.connection.getresponse()
        answer.read()
        tone, words = self._flash(answer.getheader("Set-Cookie") or "")
        return Sent(bid_id, at, answer.status, tone == "success", words)

    def _flash(self, header: str) -> tuple[str, str]:
        found = re.search(rf"{self._app.config['SESSION_COOKIE_NAME']}=([^;]+)", header)
        serializer: Any = self._app.session_interface.get_signing_serializer(self._app)  # type: ignore[attr-defined]
        flashes = serializer.loads(found[1]).get("_flashes", []) if found else []
        return (str(flashes[-1][0]), str(flashes[-1][1])) if flashes else ("", "")


def _set_hour(bench: Bench, closes: datetime) -> None:
    with psycopg.connect(bench.owner_dsn) as owner:
        owner.execute("update need set closes_at = %s, next_check_at = %s where state = 'OPEN'", [closes, closes])


def rush(sender: Sender, bids: list[tuple[int, UUID]], closes: datetime) -> tuple[list[Sent], float]:
    """Everything that was sent and answered, and bids a second of the part that was not aimed."""
    body, aimed = bids[:-AIMED], bids[-AIMED:]
    hour = closes.timestamp()
    time.sleep(max(0.0, hour - MINUTE - time.time()))

    def at_the_hour(place: int) -> Sent:
        time.sleep(max(0.0, hour - AIM + 2 * AIM * place / AIMED - time.time()))
        return sender.send(*aimed[place])

    with ThreadPoolExecutor(CLIENTS) as clients, ThreadPoolExecutor(AIMING_CLIENTS) as aiming:
        late = [aiming.submit(at_the_hour, place) for place in range(AIMED)]
        start = time.perf_counter()
        sent = list(clients.map(lambda bid: sender.send(*bid), body))
        took = time.perf_counter() - start
        return sent + [one.result() for one in late], len(body) / took


def _wait_for_closing(bench: Bench) -> None:
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        for _ in range(600):
            if not owner.execute("select 1 from need where state = 'OPEN' limit 1").fetchone():
                return
            time.sleep(0.2)
    raise RuntimeError("the ticker did not close")


def _unverified(banks: list[cast.Cast], taken: dict[UUID, int]) -> int:
    """Receipts of bids that are in which do not verify from their own file, or are not among what was opened."""
    wrong = 0
    for bid_id, number in taken.items():
        with transaction(banks[number][Role.BANK_APPROVER], read_only=True):
            bid = bid_service.with_lines(bid_id)
            kept = receipt_service.kept(bid, session().get_one(Need, bid.need_id))
            file = json.dumps(kept.download()) if kept is not None else "{}"
        wrong += kept is None or not kept.same or not kept.opened or bool(check(json.loads(file)))
    return wrong


def _floor(bench: Bench) -> float:
    """Bare inserts a second of the rows of all bids, one row a transaction, by the owner."""
    with psycopg.connect(bench.owner_dsn, autocommit=True) as owner:
        owner.execute("create table floor_bid (like bid)")
        cursor = owner.execute("select * from bid")
        rows = [[Jsonb(value) if isinstance(value, list | dict) else value for value in row] for row in cursor]
        marks = ", ".join(["%s"] * len(rows[0]))
        start = time.perf_counter()
        for row in rows:
            owner.execute(f"insert into floor_bid values ({marks})", row)
        return len(rows) / (time.perf_counter() - start)


def run() -> list[Result]:
    """Bids a second, and how often each thing happened that never may."""
    from app.factory import create_app

    with bench_database() as bench:
        settings = portal_settings(bench, PORT)
        app = create_app(settings)
        banks, needs, bids = fill()
        number_of = {bid_id: number for number, bid_id in bids}
        sender = Sender(app, banks)
        values = environment(settings)
        with served("wsgi:app", PORT, values, OURS), process(values, "workers.ticker"):
            closes = now() + timedelta(seconds=MINUTE + 5)
            _set_hour(bench, closes)
            sent, rate = rush(sender, bids, closes)
            _wait_for_closing(bench)
        taken = {one.bid_id: number_of[one.bid_id] for one in sent if one.taken}
        with psycopg.connect(bench.owner_dsn) as owner:
            opened = {row[0] for row in owner.execute("select id from bid where state = 'OPENED'")}
            late = owner.execute(
                "select count(*) from bid b join need n on n.id = b.need_id "
                "where b.submitted_at >= n.closes_at or b.submitted_at >= n.closed_at"
            ).fetchone()
            closings = [row[0] for row in owner.execute(
                "select count(*) from transition where subject_type = 'need' and event = 'close' group by subject_id"
            )]  # fmt: skip
        unanswered = [one for one in sent if one.status != 302 or not one.words]
        lost = len(opened ^ set(taken)) + len(unanswered) + len(bids) - len(sent)
        out = [one for one in sent if not one.taken]
        print(f"{len(bids)} bids: {len(taken)} in, {len(out)} out; out because {sorted({one.words[:14] for one in out})}; "
              f"aimed: {sum(one.taken for one in sent[-AIMED:])} in of {AIMED}", flush=True)
        wrong = _unverified(banks, taken)
        inserts = _floor(bench)
    never = {
        "lost": lost, "late_taken": late[0] if late else -1, "unverified": wrong,
        "closed_twice": abs(len(closings) - len(needs)) + sum(count != 1 for count in closings),
    }  # fmt: skip
    return [
        Result("market.rush", f"{rate:.1f}bids/s", f"{inserts:.0f}inserts/s", rate / inserts),
        *(Result(f"market.rush.{name}", f"{count}", f"{len(bids)}", float(count), 0.0, at_least=False)
          for name, count in never.items()),
    ]
