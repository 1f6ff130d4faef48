"""Production: secrets have no defaults, all requests use HTTPS."""

import os
from typing import Any

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

from common.logs import request_id
from config.settings.base import *
from config.settings.base import STORAGES, env


def proxy_header(value: str) -> tuple[str, str]:
    header, _, https = (part.strip() for part in value.partition(","))
    if not header.startswith("HTTP_") or not https:
        raise ValueError(
            "use a header as WSGI names it, and its value: HTTP_X_FORWARDED_PROTO,https"
        )
    return header, https


# jinja: if cookiecutter.database == "postgresql"
def positive(value: str) -> int:
    if int(value) < 1:
        raise ValueError("use 1 or more")
    return int(value)


# jinja: endif
DEBUG = False
SECRET_KEY = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = env.get_value("SECURE_PROXY_SSL_HEADER", cast=proxy_header, default=None)
header = r"[A-Za-z0-9-]+", "use the name of a header: X-Forwarded-For"
REQUEST_ID_HEADER = env.matching("REQUEST_ID_HEADER", *header) or ""
CLIENT_ADDRESS_HEADER = env.matching("CLIENT_ADDRESS_HEADER", *header) or ""
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
# W005 and W021 ask for HSTS on subdomains and for preloading, which bind hosts of other services: the
# team decides. W004 asks for the sources of the assets, which are not in the image.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021", "staticfiles.W004"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

# jinja: if cookiecutter.static_files == "whitenoise"
# WhiteNoise serves the assets, compressed. Browsers may cache hashed names for ever.
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"},
}
# jinja: else
# Only collectstatic contacts the bucket: the site reads names from the manifest and signs no URLs.
bucket = env.str("AWS_STORAGE_BUCKET_NAME")
endpoint = env.str("AWS_S3_ENDPOINT_URL", default=None)
region = env.str("AWS_DEFAULT_REGION", default="")
# Amazon gets URLs that name the region: some regions answer to no others.
amazon = f"s3.{region}.amazonaws.com" if region else "s3.amazonaws.com"
if region.startswith("cn-"):
    amazon += ".cn"
# The certificate of Amazon does not cover names with more dots.
amazon = f"{amazon}/{bucket}" if "." in bucket else f"{bucket}.{amazon}"
domain = env.str("AWS_S3_CUSTOM_DOMAIN", default=None if endpoint else amazon)
STORAGES = {
    **STORAGES,
    "staticfiles": {
        "BACKEND": "common.static_files.s3.RootManifestS3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "location": env.str("AWS_LOCATION", default="static"),
            "endpoint_url": endpoint,
            "addressing_style": "path" if endpoint else "virtual",
            "custom_domain": domain,
        },
    },
}
# Pages may load files of the bucket, and none of other buckets of the same host.
for directive, sources in CSP.items():
    if directive.endswith("-src") and "'self'" in sources:
        sources.append(f"https://{domain}/" if domain else f"{endpoint.rstrip('/')}/{bucket}/")
# jinja: endif
# jinja: if cookiecutter.database == "postgresql"
env.str("DATABASE_URL")  # Required: only development and tests have a private server.
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    import atexit

    from django.db import connection

    @atexit.register
    def close_pool() -> None:
        """Close the pool. Otherwise the process takes 20 s to exit on Python 3.13 (psycopg #954)."""
        connection.close_pool()  # type: ignore[attr-defined] # that of PostgreSQL has it

    timeout = env.get_value("DATABASE_TIMEOUT", cast=positive, default=2)
    options = {
        "connect_timeout": timeout,
        # Give up a connection that the network has lost. In seconds, but the last in milliseconds.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "pool": {
            "min_size": 1,
            "max_size": env.get_value("DATABASE_POOL_SIZE", cast=positive, default=10),
            "timeout": timeout,
            # A request that lacks a connection makes the pool try again. The pool's own attempts
            # would come later and later, and so delay the recovery from an outage.
            "reconnect_timeout": 0,
        },
        **DATABASES["default"].get("OPTIONS", {}),
    }
    DATABASES["default"] |= {"CONN_HEALTH_CHECKS": True, "OPTIONS": options}
# jinja: endif

RELEASE = env.str("RELEASE", default="unknown")


def without_personal_data(event: Any, hint: Any) -> Any:
    """Return a Sentry event without what visitors send. Its request id leads to the log."""
    kept = event.keys() - {"breadcrumbs", "extra", "request", "user"}
    tags = event.get("tags", {}) | {"request_id": request_id.get()}
    return {name: event[name] for name in kept} | {"tags": tags}


class TracedConfig(AppConfig):
    """Makes OpenTelemetry trace requests, which it can only do when the settings are complete."""

    name = "config"

    def ready(self) -> None:
        from opentelemetry.instrumentation.django import DjangoInstrumentor

        DjangoInstrumentor().instrument(
            # After the health probes, because it rejects requests with a foreign host.
            middleware_position=MIDDLEWARE.index("django.middleware.security.SecurityMiddleware"),
            request_hook=lambda span, request: span.set_attributes(
                {"client.address": "", "request_id": request_id.get(), "url.query": ""}
            ),
        )


try:
    if dsn := env.str("SENTRY_DSN", default=""):
        import sentry_sdk

        sentry_sdk.init(
            dsn,
            release=RELEASE,
            auto_session_tracking=False,
            include_local_variables=False,  # They may hold passwords.
            before_send=without_personal_data,
        )
    if endpoint := env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default=""):
        if not endpoint.startswith(("http://", "https://")):
            raise ValueError("use http://host:4318")
        from opentelemetry.instrumentation import auto_instrumentation

        tags = [f"service.version={RELEASE}", os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")]
        os.environ |= {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2",  # The default, 10, delays the exit by half a minute.
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_SERVICE_NAME": "{{ cookiecutter.project_slug }}",
            **{name: value for name, value in os.environ.items() if value},
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "django",  # TracedConfig does it.
            "OTEL_RESOURCE_ATTRIBUTES": ",".join(filter(None, tags)),
            "OTEL_SEMCONV_STABILITY_OPT_IN": "http",  # Other names would bypass its hook.
        }
        auto_instrumentation.initialize(swallow_exceptions=False)
        INSTALLED_APPS = [*INSTALLED_APPS, "config.settings.production.TracedConfig"]
except (ModuleNotFoundError, RuntimeError, ValueError) as exc:
    raise ImproperlyConfigured(
        "SENTRY_DSN (which needs uv sync --extra sentry) "
        f"or OTEL_EXPORTER_OTLP_ENDPOINT (uv sync --extra opentelemetry): {exc}"
    ) from exc
