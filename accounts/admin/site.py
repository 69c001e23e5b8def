"""The admin site: Django's own, with our name, templates and stylesheet."""

from django.contrib.admin import AdminSite


class PatchbayAdminSite(AdminSite):
    site_header = "Patchbay"
    site_title = "Patchbay"
    index_title = "Integrations, partners and connections"
    enable_nav_sidebar = True
