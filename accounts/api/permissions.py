"""What a credential may do, asked of the view: `permission = Permission.CONNECT` or a method -> permission map."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.api.authentication import Caller


class HasPermission(BasePermission):
    """Refuses whoever is no partner (401) and credentials that lack the view's permission (403)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        caller = request.user
        if not isinstance(caller, Caller):
            return False
        wanted = view.permission
        if isinstance(wanted, dict):
            method = "GET" if request.method == "HEAD" else request.method
            wanted = wanted.get(method or "")
        if wanted is not None and not caller.may(wanted):
            self.message = f"The credential lacks the permission {str(wanted)!r}."
            return False
        return True
