# gunicorn for a web machine, where you want other values than `huiqiao web` takes from the environment:
#   /opt/huiqiao/.venv/bin/python -m gunicorn -c /etc/huiqiao/gunicorn.conf.py wsgi:app
# The settings left out here come from workers/web.py.
from workers.web import *  # noqa: F403

bind = "0.0.0.0:8000"
workers = 4  # about the number of processor cores
threads = 4
forwarded_allow_ips = "10.0.0.5"  # the machine nginx runs on
