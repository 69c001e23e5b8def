"""TrafficEntry and TrafficHour: what went through the proxy, call by call for a month, by the hour for a year."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Func

from accounts.models import Credential, Partner
from integrations.models import Connection
from proxy.traffic.ids import new_id

#: stands for the partner of calls that were not authenticated; they are counted, not kept
NOBODY = uuid.UUID(int=0)
#: upper bounds in milliseconds of TrafficHour's counts of durations, beside the last, which has none
BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)
BUCKET_FIELDS = (*(f"ms_{bound}" for bound in BUCKETS), "ms_more")
#: what an hour adds up beside its buckets
SUM_FIELDS = ("calls", "ours", "retries", "refreshed", "request_bytes", "reply_bytes", "total_ms")

MAX_HOST, MAX_PATH, MAX_QUERY = 255, 500, 500


class _Failed(Func):
    """The condition of the index traffic_failed, written out: SQLite does not use a partial index when the
    condition comes as parameters."""

    template = "%(expressions)s >= 400"
    output_field = models.BooleanField()


class TrafficEntryQuerySet(models.QuerySet["TrafficEntry"]):
    def failed(self) -> TrafficEntryQuerySet:
        """Those that the partner got a 4xx or 5xx for."""
        return self.filter(_Failed(F("status")))


class TrafficEntry(models.Model):
    """One call. No content, no header field, no secret: host, path and query have been redacted.

    The id is of the moment `at`, and rows are ordered by it. The rows that it names may be gone: nothing of
    theirs is held or checked. Written by proxy.traffic.storing alone, past this class.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(help_text="When the call was over.")
    partner = models.ForeignKey(
        Partner, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    credential = models.ForeignKey(
        Credential,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    connection = models.ForeignKey(
        Connection,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    slug = models.CharField("integration", max_length=64, blank=True)
    provider = models.CharField(max_length=64, blank=True)
    door = models.CharField(max_length=16)
    method = models.CharField(max_length=16)
    host = models.CharField(max_length=MAX_HOST, blank=True)
    path = models.CharField(max_length=MAX_PATH, blank=True, help_text="Redacted.")
    query = models.CharField(max_length=MAX_QUERY, blank=True, help_text="Redacted.")
    status = models.PositiveSmallIntegerField(help_text="What the partner got; 0 when nothing.")
    code = models.CharField(max_length=40, blank=True, help_text="Of a problem that was ours.")
    outcome = models.CharField(max_length=16)
    request_bytes = models.PositiveBigIntegerField()
    reply_bytes = models.PositiveBigIntegerField()
    total_ms = models.FloatField(
        "milliseconds", help_text="From the request's header section to the reply's end."
    )
    upstream_ms = models.FloatField(
        "milliseconds of the provider",
        null=True,
        help_text="Until the reply's header section; empty without one.",
    )
    retries = models.PositiveSmallIntegerField(help_text="Tries after the first.")
    is_refreshed = models.BooleanField(
        "refreshed", help_text="Whether the provider's reply led to a new access token and one more try."
    )
    request_id = models.CharField(max_length=64)

    objects = TrafficEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "traffic entries"
        indexes = [
            models.Index(fields=["partner", "-id"], name="traffic_by_partner"),
            models.Index(fields=["connection", "-id"], name="traffic_by_connection"),
            models.Index(fields=["request_id"], name="traffic_by_request"),
            models.Index(
                fields=["partner", "-id"], condition=models.Q(status__gte=400), name="traffic_failed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path} {self.status}"


class TrafficHour(models.Model):
    """The calls of one partner on one integration in one hour that got a status of one class.

    partner is NOBODY and slug empty for calls that were not authenticated; slug is empty too where no
    connection was found. status_class: 1 to 5, 0 for no reply. ms_N: calls that took at most N milliseconds and
    more than the bound before it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    partner = models.ForeignKey(
        Partner, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    slug = models.CharField(max_length=64, blank=True)
    hour = models.DateTimeField(db_index=True, help_text="Its beginning.")
    status_class = models.PositiveSmallIntegerField()
    calls = models.PositiveBigIntegerField(default=0)
    ours = models.PositiveBigIntegerField(default=0, help_text="Replies that were problems of the platform.")
    retries = models.PositiveBigIntegerField(default=0)
    refreshed = models.PositiveBigIntegerField(default=0)
    request_bytes = models.PositiveBigIntegerField(default=0)
    reply_bytes = models.PositiveBigIntegerField(default=0)
    total_ms = models.FloatField(default=0)
    ms_1 = models.PositiveBigIntegerField(default=0)
    ms_2 = models.PositiveBigIntegerField(default=0)
    ms_5 = models.PositiveBigIntegerField(default=0)
    ms_10 = models.PositiveBigIntegerField(default=0)
    ms_20 = models.PositiveBigIntegerField(default=0)
    ms_50 = models.PositiveBigIntegerField(default=0)
    ms_100 = models.PositiveBigIntegerField(default=0)
    ms_200 = models.PositiveBigIntegerField(default=0)
    ms_500 = models.PositiveBigIntegerField(default=0)
    ms_1000 = models.PositiveBigIntegerField(default=0)
    ms_2000 = models.PositiveBigIntegerField(default=0)
    ms_5000 = models.PositiveBigIntegerField(default=0)
    ms_10000 = models.PositiveBigIntegerField(default=0)
    ms_30000 = models.PositiveBigIntegerField(default=0)
    ms_more = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-hour"]
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "hour", "slug", "status_class"], name="traffic_hour_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.slug} {self.status_class}xx {self.hour:%Y-%m-%d %H:%M}"
