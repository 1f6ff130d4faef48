"""Where each URL goes. The first match wins."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

from common.health import healthz

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    # jinja: if cookiecutter.example_app
    path("", include("apps.shop.urls")),  # example
    # jinja: endif
    path("", TemplateView.as_view(template_name="welcome.html"), name="home"),
]
