import os
from app.core.permissions import Role
from app.bridge import service, bank_service, money_service
from tests import cast, bridge_cast as road
from app.core.money import WAN
OUT="/tmp/bp/shots"; os.makedirs(OUT,exist_ok=True)
def test_shots(database, live_server, browser):
    who = road.people(); bureau=cast.bureau()
    def shots(cst, role, paths, tag, locale="zh-CN"):
        ctx = browser.new_context(base_url=live_server.url, locale=locale, timezone_id="Asia/Shanghai")
        p = ctx.new_page()
        p.goto("/sign-in"); p.fill("input[name=login]", cst.logins[role]); p.fill("input[name=password]", cast.PASSWORD); p.click("main button[type=submit]")
        if p.locator("button[name=skip]").count(): p.click("button[name=skip]")
        for name, path in paths:
            for w in (1280, 390):
                p.set_viewport_size({"width": w, "height": 900}); p.goto(path)
                if "open" in name:
                    for d in p.locator("details.working > summary").all(): d.click()
                p.screenshot(path=f"{OUT}/{tag}-{name}-{w}.png", full_page=True)
                over = p.evaluate("document.documentElement.scrollWidth-document.documentElement.clientWidth")
                if over > 0: print("OVERFLOW", tag, name, w, over)
        ctx.close()
    F=Role.FIRM_REPRESENTATIVE
    shots(who.firm, F, [("empty","/bridges"),("start","/bridges/start"),("apply",f"/bridges/apply/{road.ask(who)}")],"firm")
    a = road.walk(who,"APPLIED", note_no="JJ2025110801"); 
    shots(who.centre, Role.CENTRE_CLERK, [("precheck",f"/bridges/{a}/precheck"),("applied",f"/bridges/{a}")],"centre")
    road.walk(who,"PRECHECKED",bridge_id=a)
    shots(who.new_bank, Role.BANK_APPROVER, [("commit",f"/bridges/{a}/commit"),("home","/")],"bank")
    road.walk(who,"BANK_COMMITTED",bridge_id=a)
    shots(who.funder, Role.FUNDER_CLERK, [("offer",f"/bridges/{a}/quotes/{road.quote_of(who,a)}"),("show",f"/bridges/{a}"),("home","/")],"funder")
    road.walk(who,"PARTNER_OFFERED",bridge_id=a)
    shots(who.firm, F, [("quotes-open",f"/bridges/{a}")],"firm")
    road.walk(who,"APPROVED",bridge_id=a)
    shots(who.firm, F, [("sign-open",f"/bridges/{a}/sign"),("home","/")],"firm")
    b = road.walk(who,"SETTLED"); c=road.walk(who,"FUNDED",own_money_fen=50*WAN,requested_fen=250*WAN); d=road.walk(who,"SIGNED")
    shots(who.centre, Role.CENTRE_CLERK, [("board","/bridges"),("pay",f"/bridges/{d}/pay"),("home","/"),("settled",f"/bridges/{b}")],"centre")
    shots(who.funder, Role.FUNDER_CLERK, [("fund",f"/funds/{who.fund_id}"),("funds","/funds")],"funder")
    shots(who.centre, Role.CENTRE_REVIEWER, [("newfund","/funds/new"),("fund",f"/funds/{who.fund_id}")],"rev")
    shots(bureau, Role.BUREAU_LEADER, [("show",f"/bridges/{c}")],"bureau")
    road.drawn  # noqa
    shots(who.firm, F, [("show-en",f"/bridges/{c}")],"en",locale="en-US")
