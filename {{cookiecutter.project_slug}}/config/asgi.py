"""The ASGI application, for an ASGI server such as uvicorn."""

import os

from django.core.asgi import get_asgi_application

# jinja: if cookiecutter.realtime
from common.realtime import edge

# jinja: endif
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

application = get_asgi_application()
# jinja: if cookiecutter.realtime
application = edge.application(application)
# jinja: endif
