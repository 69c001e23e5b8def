"""The admin site as an app: stock Django admin with our own site class."""

from django.contrib.admin.apps import AdminConfig


class PatchbayAdminConfig(AdminConfig):
    default_site = "accounts.admin.site.PatchbayAdminSite"
