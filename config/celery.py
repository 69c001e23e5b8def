"""The Celery application. Messages carry row ids only; the database, not the broker, remembers work."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("patchbay")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def prepare_folder_broker(sender: Celery, **_: Any) -> None:
    """Make the folders of the server-less broker, closed to other users.

    kombu moves each message through the temp folder, which must lie on the same file system.
    """
    from django.conf import settings

    if not settings.CELERY_BROKER_URL.startswith("filesystem:"):
        return
    for name in ("messages", "control", "tmp"):
        (settings.BROKER_DIR / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.BROKER_DIR.chmod(0o700)
    tempfile.tempdir = str(settings.BROKER_DIR / "tmp")


@worker_init.connect
@beat_init.connect
def refuse_wrong_keys(**_: Any) -> None:
    """A worker that cannot open what is stored must not run (ADM-05).

    Celery logs what a signal's receiver raises and goes on; SystemExit alone ends the process.
    """
    from sealing.health import keys_are_well

    is_well, message = keys_are_well()
    if not is_well:
        raise SystemExit(message)


@worker_shutting_down.connect
def end_the_sweep_soon(**_: Any) -> None:
    """A worker that is asked to end claims no further connections and ends what it has begun (OPS-10)."""
    from integrations.tokens import sweep

    sweep.stop()
