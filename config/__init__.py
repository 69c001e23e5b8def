"""Settings, URLs and the ASGI and Celery entry points; no logic."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
