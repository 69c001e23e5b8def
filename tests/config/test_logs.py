"""The log: nothing secret gets through, whoever logs it and in whatever shape."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog

from config import logs

SECRET = "planted-value"
#: one in 1,500 tokens of 43 random characters holds no digit, and so does not look random
TOKEN = "abcDEFghiJKLmnoPQRstuVWXyz-abcDEFghi_JKLmno"
ROW = "3f2c7f0e-2a0e-4a8e-9a9a-0c7a5f6f1f11"


@pytest.fixture(params=[True, False], ids=["json", "console"])
def log(request: Any) -> Iterator[io.StringIO]:
    """What the process writes; the loggers of the test session are put back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure({"level": "INFO", "is_json": request.param})
    written = io.StringIO()
    for handler in root.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)
    yield written
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize(
    "path", ["/connect/{}", "/connect/{}/status", "/manage/{}?done=pause", "/reconnect/{}"]
)
def test_adm_01_the_token_of_a_link_is_in_no_line(log: io.StringIO, path: str) -> None:
    logging.getLogger("django.request").warning("%s: %s", "Gone", path.format(TOKEN))
    assert "Gone" in log.getvalue() and path.split("{")[0] in log.getvalue()
    assert TOKEN not in log.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        {"access_token": SECRET},
        {"outer": {"refresh_token": SECRET}},
        [f"client_secret={SECRET}"],
        (f"code_verifier={SECRET}",),
        f"access_token={SECRET}".encode(),
        ValueError(f"access_token={SECRET}"),
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"access_token": SECRET}}}}}}}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_adm_01_a_secret_in_a_structure_is_in_no_line(log: io.StringIO, value: Any) -> None:
    structlog.get_logger("ours").warning("odd reply", found=value, row=ROW)
    logging.getLogger("theirs").warning("odd reply", extra={"found": value})
    assert log.getvalue().count("odd reply") == 2
    assert SECRET not in log.getvalue()
    assert ROW in log.getvalue()


def test_adm_02_a_secret_in_an_exception_is_in_no_line(log: io.StringIO) -> None:
    try:
        raise ValueError(f"refresh_token={SECRET}")
    except ValueError:
        logging.getLogger("theirs").exception("failed with client_secret=%s", SECRET)
        structlog.get_logger("ours").exception("failed", api_key=SECRET.encode())
    assert log.getvalue().count("ValueError") == 2
    assert SECRET not in log.getvalue()


def test_what_is_no_secret_stays_readable(log: io.StringIO) -> None:
    structlog.get_logger("ours").warning("kept", row=UUID(ROW), count=17, scopes=["oauth", "crm.lists.read"])
    for shown in (ROW, "17", "crm.lists.read"):
        assert shown in log.getvalue()
