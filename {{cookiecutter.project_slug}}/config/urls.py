"""The URLs of the service. The first match wins. ``common.health`` answers probes."""

from django import urls
from django.conf import settings
from django.contrib import admin
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.generic import TemplateView

admin.site.site_header = admin.site.site_title = settings.PROJECT_NAME

urlpatterns = [
    urls.path(settings.ADMIN_PATH, admin.site.urls),
    # jinja: if cookiecutter.__kogame
    urls.path("", urls.include("apps.kogame.urls")),  # game
    # jinja: endif
    # Browsers ask for it on pages that name no icon, such as those of the admin.
    urls.path("favicon.ico", lambda request: redirect(static("img/mark.svg"))),
    # jinja: if cookiecutter.example_app
    urls.path("", urls.include("apps.shop.urls")),  # example
    # jinja: endif
    urls.path("", TemplateView.as_view(template_name="welcome.html"), name="home"),
]

handler400 = "common.pages.bad_request"
handler403 = "common.pages.forbidden"
handler404 = "common.pages.not_found"
handler500 = "common.pages.server_error"
