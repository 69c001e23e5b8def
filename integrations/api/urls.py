"""The paths of the partner's API, without those of the proxy."""

from django.urls import path

from integrations.api import connections, links, offers, stackgo

urlpatterns = [
    path("api/v1/connect-links", links.ConnectLinksView.as_view(), name="connect-links"),
    path("api/v1/connect-links/<str:link_id>", links.ConnectLinkView.as_view(), name="connect-link"),
    path("api/v1/manage-links", links.ManageLinksView.as_view(), name="manage-links"),
    path("api/v1/integrations", offers.IntegrationsView.as_view(), name="integrations"),
    path("api/v1/integrations/<str:app_slug>", offers.IntegrationView.as_view(), name="integration"),
    path("logos/<str:provider_id>.svg", offers.logo, name="logo"),
    path("api/v1/connections", connections.ConnectionsView.as_view(), name="connections"),
    path("api/v1/connections/import", connections.ImportView.as_view(), name="connection-import"),
    path("api/v1/connections/<str:connection_id>", connections.ConnectionView.as_view(), name="connection"),
    path("api/v1/connections/<str:connection_id>/refresh", connections.RefreshView.as_view(), name="refresh"),
    path("api/v1/connections/<str:connection_id>/check", connections.CheckView.as_view(), name="check"),
    path("api/v1/connections/<str:connection_id>/pause", connections.PauseView.as_view(), name="pause"),
    path("api/v1/connections/<str:connection_id>/resume", connections.ResumeView.as_view(), name="resume"),
    path("api/v1/connections/<str:connection_id>/report", connections.ReportView.as_view(), name="report"),
    path(
        "api/v1/connections/<str:connection_id>/token", connections.TokenView.as_view(), name="access-token"
    ),
    path("api/<str:provider>/auth/<str:app_slug>", stackgo.AuthView.as_view(), name="stackgo-auth"),
    path("api/saas-org-user/get-users/<str:app_slug>", stackgo.UsersView.as_view(), name="stackgo-users"),
    path("api/saas-org-user/get-user/<str:app_slug>", stackgo.UserView.as_view(), name="stackgo-user"),
    path(
        "api/saas-org-user/delete-user/<str:app_slug>",
        stackgo.DeleteUserView.as_view(),
        name="stackgo-delete",
    ),
]
