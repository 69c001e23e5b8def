"""`/connect.js`: the script that a partner's page loads to open a connect link."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

_DAY_SECONDS, _YEAR_SECONDS = 86_400, 31_536_000


@functools.cache
def _source() -> tuple[bytes, str]:
    """The script and its version, read once a process."""
    found = finders.find("patchbay/connect.js")
    if not isinstance(found, str):
        raise FileNotFoundError("static/patchbay/connect.js is missing from this installation.")
    content = Path(found).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:16]


@method_decorator(csrf_exempt, name="dispatch")  # takes no form; an unknown method is 405, not 403
class ConnectScriptView(View):
    """Any site may load it. `?v=<version>` that fits is kept for a year, all else for a day."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        content, version = _source()
        is_versioned = request.GET.get("v") == version
        lifetime = f"max-age={_YEAR_SECONDS}, immutable" if is_versioned else f"max-age={_DAY_SECONDS}"
        response = HttpResponse(content, content_type="application/javascript; charset=utf-8")
        response.headers["ETag"] = f'"{version}"'
        response.headers["Cache-Control"] = f"public, {lifetime}"
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        conditional = get_conditional_response(request, etag=f'"{version}"', response=response)
        assert isinstance(conditional, HttpResponse)
        return conditional
