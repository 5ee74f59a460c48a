import cProfile, pstats, time
from tests.web.test_routes import *
def test_prof(app):
    print(len(list(rules(app))))
    ctx = person(Role.DESK); client = visit(app, ctx)
    client.get("/")
    pr=cProfile.Profile(); t=time.time(); c=time.process_time()
    pr.enable()
    n=0
    for rule, permission in rules(app):
        if permission is PUBLIC or ctx.can(permission): continue
        for method in (rule.methods or set()) & {"GET", "POST"}:
            client.open(address(app, rule), method=method); n+=1
    pr.disable()
    print(n, time.time()-t, time.process_time()-c)
    pstats.Stats(pr).sort_stats("cumulative").print_stats(45)
