"""Credentials: three ways to name one, stored as digests, ended at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import credentials
from accounts.models import AuditEntry, Credential, IssuedToken
from tests import factories
from tests.factories import ACTOR

pytestmark = pytest.mark.django_db


def test_all_three_ways_name_the_same_credential() -> None:
    new = factories.credential(factories.partner())
    now = timezone.now()
    token, seconds = credentials.issue_token(new.credential, now=now)
    assert seconds == 86_400
    assert credentials.by_bearer(new.api_key, now=now) == new.credential
    assert credentials.by_bearer(token, now=now) == new.credential
    assert (
        credentials.by_client_secret(new.credential.client_id, new.client_secret, now=now) == new.credential
    )


def test_no_secret_is_stored_in_clear() -> None:
    new = factories.credential(factories.partner())
    stored = str(Credential.objects.values().get())
    assert new.api_key not in stored and new.client_secret not in stored
    assert new.api_key not in repr(new) and new.client_secret not in repr(new)


@pytest.mark.parametrize("wrong", ["", "x", "pbs_", "\ud800", "🙂" * 100])
def test_a_wrong_secret_opens_nothing(wrong: str) -> None:
    new = factories.credential(factories.partner())
    now = timezone.now()
    assert credentials.by_client_secret(new.credential.client_id, wrong, now=now) is None
    assert credentials.by_client_secret("pbc_unknown", new.client_secret, now=now) is None
    assert credentials.by_bearer(wrong, now=now) is None


def test_revoking_ends_the_issued_tokens_too() -> None:
    new = factories.credential(factories.partner())
    now = timezone.now()
    token, _ = credentials.issue_token(new.credential, now=now)
    assert credentials.revoke(new.credential, actor=ACTOR)
    assert not credentials.revoke(new.credential, actor=ACTOR)
    assert credentials.by_bearer(token, now=now) is None
    assert credentials.by_bearer(new.api_key, now=now) is None
    assert IssuedToken.objects.count() == 0
    assert AuditEntry.objects.filter(action="credential.revoked").count() == 1


def test_an_expired_credential_and_an_inactive_partner_open_nothing() -> None:
    partner = factories.partner()
    new = factories.credential(partner)
    now = timezone.now()
    Credential.objects.update(expires_at=now - timedelta(seconds=1))
    assert credentials.by_bearer(new.api_key, now=now) is None
    Credential.objects.update(expires_at=None)
    partner.is_active = False
    partner.save()
    assert credentials.by_bearer(new.api_key, now=now) is None


def test_an_issued_token_lives_one_day() -> None:
    new = factories.credential(factories.partner())
    now = timezone.now()
    token, _ = credentials.issue_token(new.credential, now=now)
    assert credentials.by_bearer(token, now=now + timedelta(hours=23, minutes=59)) == new.credential
    assert credentials.by_bearer(token, now=now + timedelta(hours=24)) is None
