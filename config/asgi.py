"""The ASGI application: the data plane in front, Django for everything else."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from django.conf import settings  # noqa: E402 (Django must have loaded)

from accounts.content_limit import limited  # noqa: E402
from integrations import catalogue  # noqa: E402
from proxy.entry import data_plane  # noqa: E402

catalogue.all_providers()  # a wrong file stops the start, not the first customer
application = data_plane(limited(django_application, max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
