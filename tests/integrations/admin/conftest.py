"""Who opens the staff pages: everybody is met with the same requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

StaffClient = Callable[..., Client]


@pytest.fixture
def staff(db: Any) -> StaffClient:
    """staff("view_integration", …): a client signed in as staff with these permissions alone."""

    def make(*codenames: str, is_superuser: bool = False) -> Client:
        name = f"staff-{get_user_model().objects.count()}"
        user = get_user_model().objects.create_user(name, is_staff=True, is_superuser=is_superuser)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert user.user_permissions.count() == len(codenames)
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


@pytest.fixture
def boss(staff: StaffClient) -> Client:
    return staff(is_superuser=True)
