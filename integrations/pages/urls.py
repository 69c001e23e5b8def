"""The paths of the customer's pages (contract section 6)."""

from django.urls import path

from integrations.pages.callback import CallbackView
from integrations.pages.choose import ChooseView
from integrations.pages.manage import ManageView
from integrations.pages.script import ConnectScriptView
from integrations.pages.views import ConnectStatusView, ConnectView, ReconnectView

urlpatterns = [
    path("connect.js", ConnectScriptView.as_view(), name="connect-js"),
    path("connect/<str:token>", ConnectView.as_view(), name="connect"),
    path("connect/<str:token>/status", ConnectStatusView.as_view(), name="connect-status"),
    path("oauth/<str:slug>/callback", CallbackView.as_view(), name="callback"),
    path("oauth/<str:slug>/choose", ChooseView.as_view(), name="choose"),
    path("reconnect/<str:signed>", ReconnectView.as_view(), name="reconnect"),
    path("manage/<str:token>", ManageView.as_view(), name="manage"),
]
