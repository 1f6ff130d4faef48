"""The URLs of the service. The first match wins. ``common.health`` answers probes."""

from django import urls
from django.contrib import admin
from django.views.generic import TemplateView

urlpatterns = [
    urls.path("admin/", admin.site.urls),
    # jinja: if cookiecutter.example_app
    urls.path("", urls.include("apps.shop.urls")),  # example
    # jinja: endif
    urls.path("", TemplateView.as_view(template_name="welcome.html"), name="home"),
]

handler400 = "common.pages.bad_request"
handler403 = "common.pages.forbidden"
handler404 = "common.pages.not_found"
handler500 = "common.pages.server_error"
