"""Where sealed values lie: every SealedField of every installed model."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import models, router

from sealing.fields import SealedField


def sealed_fields(using: str) -> Iterator[tuple[type[models.Model], SealedField]]:
    """Model and field, each column once: on the model whose table has it, if that table is in `using`."""
    for model in apps.get_models():
        if model._meta.proxy or model._meta.swapped or not router.allow_migrate_model(using, model):
            continue
        for field in model._meta.local_concrete_fields:
            if isinstance(field, SealedField):
                yield model, field
