"""The ASGI application: the data plane in front, Django for everything else."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from proxy.entry import data_plane  # noqa: E402 (Django must have loaded)

application = data_plane(django_application)
