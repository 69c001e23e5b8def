"""The overview and the sign-in page."""

from __future__ import annotations

from typing import Any

from django.test import Client

from tests import factories
from tests.factories import World


def test_a_new_installation_is_told_what_to_do_next(boss: Client) -> None:
    page = boss.get("/admin/").content.decode()
    assert "What to do next" in page
    assert "/admin/integrations/integration/add/" in page


def test_what_is_done_is_marked(boss: Client, world: World) -> None:
    page = boss.get("/admin/").content.decode()
    assert page.count(">done</span>") == 3


def test_the_list_goes_when_all_of_it_is_done(boss: Client, world: World) -> None:
    factories.connection(world)
    assert "What to do next" not in boss.get("/admin/").content.decode()


def test_staff_without_rights_get_no_buttons(staff: Any) -> None:
    page = staff().get("/admin/").content.decode()
    assert "integration/add/" not in page
    assert "credential/add/" not in page


def test_our_own_apps_come_first(boss: Client) -> None:
    labels = [app["app_label"] for app in boss.get("/admin/").context["app_list"]]
    assert labels[:3] == ["integrations", "accounts", "auth"]


def test_groups_of_other_packages_have_names_that_staff_understand(boss: Client) -> None:
    groups = {app["app_label"]: str(app["name"]) for app in boss.get("/admin/").context["app_list"]}
    assert groups == {
        "integrations": "Integrations",
        "accounts": "Accounts",
        "auth": "Staff",
        "axes": "Sign-in protection",
        "proxy": "Proxy",
        "django_celery_beat": "Scheduled jobs",
    }
    assert "Sign-in protection" in boss.get("/admin/axes/accessattempt/").content.decode()
    assert "Scheduled jobs administration" in boss.get("/admin/django_celery_beat/").content.decode()


def test_the_sign_in_page_has_our_look(db: Any) -> None:
    page = Client().get("/admin/login/").content.decode()
    assert "patchbay/admin/admin.css" in page
    assert "Patchbay" in page
