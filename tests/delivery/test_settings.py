"""Settings of a bake: which environment variables set them."""

import json
import re

import pytest

from tests.harness.project import PRODUCTION, TEMPLATE


def value_of(project, expression, *options, **env):
    """Return the value of ``expression`` in the project's shell; pass ``options`` to ``uv run``."""
    code = (
        "import json; from django.conf import settings; from django.db import connection as db; "
        f"print(json.dumps({expression}))"
    )
    command = ["manage.py", "shell", "--no-imports", "-c", code]
    return json.loads(project.uv(*options, *command, **env).splitlines()[-1])


@pytest.mark.parametrize("variable", ["SECRET_KEY", "ALLOWED_HOSTS"])
@pytest.mark.parametrize("value", [None, "", " "])
def test_production_without_a_required_variable_fails_and_names_it(service, variable, value):
    settings = {name: value for name, value in PRODUCTION.items() if name != variable}
    if value is not None:
        settings[variable] = value
    output = service.manage("check", status=1, **settings)
    assert f"ImproperlyConfigured: Set the {variable} environment variable" in output


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SECURE_SSL_REDIRECT", "ture", "SECURE_SSL_REDIRECT='ture': use true or false"),
        ("SUSPEND_SIGNALS", "maybe", "SUSPEND_SIGNALS='maybe': use true or false"),
        ("SECURE_HSTS_SECONDS", "1h", "SECURE_HSTS_SECONDS='1h': "),
        (
            "SECURE_PROXY_SSL_HEADER",
            "X-Forwarded-Proto",
            "SECURE_PROXY_SSL_HEADER='X-Forwarded-Proto': use a header",
        ),
        ("SECURE_PROXY_SSL_HEADER", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_PROTO,https"),
        ("LOG_LEVEL", "chatty", "LOG_LEVEL='chatty': use DEBUG"),
        (
            "CSP_REPORT_URI",
            "reports.example.com",
            "CSP_REPORT_URI='reports.example.com': use a URL",
        ),
        ("CSP_REPORT_URI", "https://a.example; img-src *", "CSP_REPORT_URI='https://a.example; "),
        ("LOG_FORMAT", "xml", "LOG_FORMAT='xml': use text or json"),
        ("REQUEST_ID_HEADER", "HTTP_X_ID", "REQUEST_ID_HEADER='HTTP_X_ID': use the name of a"),
        ("ADMIN_PATH", "^staff", "ADMIN_PATH='^staff': use letters"),
        ("ADMIN_PATH", "/", "ADMIN_PATH='/': use letters"),
        (
            "CLIENT_ADDRESS_HEADER",
            "HTTP_X_FORWARDED_FOR",
            "CLIENT_ADDRESS_HEADER='HTTP_X_FORWARDED_FOR': use the name of a header",
        ),
        ("DATABASE_URL", "garbage", "DATABASE_URL is not the URL of a database"),
        (
            "DATABASE_URL",
            "postgres://me:secret@host:port/name",
            "DATABASE_URL is not the URL of a database",
        ),
        ("CACHE_URL", "garbage", "CACHE_URL is not the URL of a cache"),
        ("CACHE_URL", "http://:secret@host", "CACHE_URL is not the URL of a cache"),
        ("EMAIL_URL", "smtp://me:secret@", "EMAIL_URL is not the URL of a mail server"),
        ("EMAIL_URL", "smtp://me:secret@host:port", "EMAIL_URL is not the URL of a mail server"),
        ("EMAIL_URL", "smtp://host?timeout=3", "EMAIL_URL is not the URL of a mail server"),
        ("EMAIL_URL", "mail://me:secret@host", "EMAIL_URL is not the URL of a mail server"),
    ],
)
def test_the_error_for_an_invalid_value_names_the_variable_and_hides_secrets(
    service, variable, value, message
):
    output = service.manage("check", status=1, **{**PRODUCTION, variable: value})
    assert message in output.strip().splitlines()[-1]
    assert "secret" not in output


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("REALTIME_URL", "http://:secret@host", "REALTIME_URL is not the URL of a Redis server"),
        ("REALTIME_URL", "redis://:secret@host:port", "REALTIME_URL is not the URL of a Redis"),
        ("REALTIME_WORKERS", "many", "REALTIME_WORKERS='many': "),
    ],
)
def test_invalid_settings_of_realtime_name_the_variable(bake, variable, value, message):
    output = bake(realtime=True).manage("check", status=1, **{**PRODUCTION, variable: value})
    assert message in output.strip().splitlines()[-1]
    assert "secret" not in output


@pytest.mark.parametrize(
    ("variable", "value", "expression", "expected"),
    [
        ("ALLOWED_HOSTS", "a.example, b.example ,", "settings.ALLOWED_HOSTS", ["a.example", "b.example"]),
        ("CSRF_TRUSTED_ORIGINS", "https://a.example, https://b.example", "settings.CSRF_TRUSTED_ORIGINS", ["https://a.example", "https://b.example"]),
        ("SECURE_PROXY_SSL_HEADER", "HTTP_X_SCHEME, https", "settings.SECURE_PROXY_SSL_HEADER", ["HTTP_X_SCHEME", "https"]),
        ("SECURE_SSL_REDIRECT", "no", "settings.SECURE_SSL_REDIRECT", False),
        ("SECURE_HSTS_SECONDS", "", "settings.SECURE_HSTS_SECONDS", 3600),
        ("SECRET_KEY", "$ecret", "settings.SECRET_KEY", "$ecret"),
        ("ADMIN_PATH", "/team/staff", "__import__('django.urls').urls.reverse('admin:index')", "/team/staff/"),
        ("CLIENT_ADDRESS_HEADER", "X-Forwarded-For", "settings.CLIENT_ADDRESS_HEADER", "X-Forwarded-For"),
        ("LOG_LEVEL", "debug", "settings.LOGGING['root']['level']", "DEBUG"),
        ("LOG_FORMAT", "json", "settings.LOGGING['handlers']['stdout']['form']", "json"),
        ("REQUEST_ID_HEADER", "X-Request-ID", "settings.REQUEST_ID_HEADER", "X-Request-ID"),
        ("STATIC_ROOT", "/elsewhere", "str(settings.STATIC_ROOT)", "/elsewhere"),
        ("STATIC_URL", "https://cdn.example.com/static/", "settings.CSP['default-src'][:2]", ["'self'", "https://cdn.example.com/static/"]),
        ("STATIC_URL", "//cdn.example.com/static/", "settings.CSP['default-src'][:2]", ["'self'", "cdn.example.com/static/"]),
        ("CSP_REPORT_URI", "https://reports.example.com/csp?key=1", "settings.CSP['report-uri']", "https://reports.example.com/csp?key=1"),
        ("CSP_REPORT_URI", "/csp", "settings.CSP['report-uri']", "/csp"),
        ("DEFAULT_FROM_EMAIL", "shop@example.com", "settings.DEFAULT_FROM_EMAIL", "shop@example.com"),
        ("DATABASE_URL", "sqlite:////elsewhere/db", "str(db.settings_dict['NAME'])", "/elsewhere/db"),
        ("DATABASE_URL", "sqlite://:memory:", "db.settings_dict['NAME']", ":memory:"),
        ("DATABASE_URL", "postgres://me:p%40ss@db:5433/name", "[db.settings_dict[k] for k in ('USER', 'PASSWORD', 'HOST', 'PORT', 'NAME')]", ["me", "p@ss", "db", 5433, "name"]),
        ("CACHE_URL", "redis://:p%40ss@cache:6380/2", "settings.CACHES['default']['LOCATION']", "redis://:p%40ss@cache:6380/2"),
        ("CACHE_URL", "redis://cache?socket_timeout=3", "settings.CACHES['default']['OPTIONS']", {"socket_connect_timeout": 0.5, "socket_timeout": 3}),
        ("CACHE_URL", "", "settings.CACHES['default']['BACKEND'].split('.')[-1]", "LocMemCache"),
    ],
)  # fmt: skip
def test_a_valid_value_reaches_its_setting(service, variable, value, expression, expected):
    env, options = {**PRODUCTION, variable: value}, []
    if value.startswith("postgres"):
        service.run("uv", "lock")
        env["UV_OFFLINE"] = "0"
        options = ["--frozen", "--with", "psycopg[binary]~=3.3"]
    assert value_of(service, expression, *options, **env) == expected


MAILER = """(lambda mailer: [
    type(mailer).__module__.rpartition('.')[2],
    *[getattr(mailer, name) for name in ('host', 'port', 'username', 'password', 'use_tls', 'use_ssl') if hasattr(mailer, name)],
])(__import__('django.core.mail').core.mail.get_connection())"""


@pytest.mark.parametrize("django_version", ["5.2", "6.1"])
def test_email_url_and_its_defaults_configure_the_mailer(bake, django_version):
    project = bake(django_version=django_version)
    for settings, url, expected in [
        ("production", "", ["smtp", "localhost", 25, "", "", False, False]),
        ("production", "smtp+tls://me:p%2Bq@host", ["smtp", "host", 587, "me", "p+q", True, False]),
        ("local", "", ["console"]),
        ("local", "smtp+ssl://host:2465", ["smtp", "host", 2465, "", "", False, True]),
    ]:
        module = {"DJANGO_SETTINGS_MODULE": f"config.settings.{settings}"}
        assert value_of(project, MAILER, **{**PRODUCTION, **module, "EMAIL_URL": url}) == expected


# Variables that Django and gunicorn read, and the settings do not.
ELSEWHERE = {"DJANGO_SETTINGS_MODULE", "PORT", "WEB_CONCURRENCY"}
BOTO3 = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
}


@pytest.mark.parametrize(
    ("answers", "read_elsewhere"),
    [
        ({}, ELSEWHERE),
        ({"database": "postgresql"}, ELSEWHERE),
        ({"static_files": "s3"}, ELSEWHERE | BOTO3),
        ({"realtime": True}, ELSEWHERE),
    ],
)
def test_the_documented_variables_are_exactly_those_that_are_read(bake, answers, read_elsewhere):
    project = bake(**answers)
    example = (project.path / ".env.example").read_text()
    documented = {*re.findall(r"^# ([A-Z0-9_]+)=", example, re.M)}
    settings = "".join(path.read_text() for path in (project.path / "config/settings").glob("*.py"))
    read = {*re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', settings)}
    assert documented == read | read_elsewhere


@pytest.mark.parametrize("settings", ["local", "production"])
@pytest.mark.parametrize(
    "answers", [{}, {"database": "postgresql", "static_files": "s3"}], ids=["default", "other"]
)
def test_setting_each_variable_to_its_documented_default_changes_no_setting(
    bake, settings, answers
):
    project = bake(**answers)
    required = {"AWS_STORAGE_BUCKET_NAME": "assets"}
    if settings == "production" and answers:
        required["DATABASE_URL"] = "postgres://db/name"
    env = {**PRODUCTION, **required, "DJANGO_SETTINGS_MODULE": f"config.settings.{settings}"}
    before = project.manage("diffsettings", "--all", **env)
    example = (project.path / ".env.example").read_text()
    uncommented = re.sub(r"^# (?=[A-Z0-9_]+=)", "", example, flags=re.M)
    (project.path / ".env").write_text(uncommented.replace("config.settings.local", "nowhere"))
    assert project.manage("diffsettings", "--all", **env) == before


def test_sqlite_uses_wal_a_busy_timeout_and_immediate_transactions(bake):
    project = bake()
    assert value_of(project, "str(db.settings_dict['NAME'])") == str(project.path / "db.sqlite3")
    pragmas = "[db.cursor().execute(f'PRAGMA {p}').fetchone()[0] for p in ('journal_mode', 'busy_timeout', 'synchronous')]"
    assert value_of(project, pragmas) == ["wal", 20000, 1]
    assert value_of(project, "db.settings_dict['OPTIONS']['transaction_mode']") == "IMMEDIATE"
    overridden = value_of(
        project, "db.settings_dict['OPTIONS']", DATABASE_URL="sqlite:///other.db?timeout=5"
    )
    assert (overridden["timeout"], overridden["transaction_mode"]) == (5, "IMMEDIATE")


@pytest.fixture(scope="module")
def s3_bake(tmp_path_factory, bake_into):
    """Return a bake with a bucket, whose manifest is complete."""
    folder = tmp_path_factory.mktemp("s3") / "bake"
    project = bake_into(folder, TEMPLATE, {"static_files": "s3"})
    project.manage("collectstatic", "--no-input", DJANGO_SETTINGS_MODULE="config.settings.build")
    return project


def test_an_empty_bucket_variable_counts_as_unset(s3_bake, bucket):
    project = s3_bake
    env = {**PRODUCTION, **bucket, "AWS_S3_CUSTOM_DOMAIN": "", "AWS_DEFAULT_REGION": ""}
    storage = "__import__('django.core.files.storage').core.files.storage.storages['staticfiles']"
    assert value_of(project, f"{storage}.exists('no.css')", **env) is False  # contacts the bucket
    url = f"{storage}.url('css/site.css')"
    assert value_of(project, url, **env).startswith(
        f"{bucket['AWS_S3_ENDPOINT_URL']}/{bucket['AWS_STORAGE_BUCKET_NAME']}/static/css/site."
    )


@pytest.mark.parametrize(
    ("bucket", "variables", "source"),
    [
        ("assets", {}, "https://assets.s3.amazonaws.com/"),
        ("assets", {"AWS_DEFAULT_REGION": "eu-south-1"}, "https://assets.s3.eu-south-1.amazonaws.com/"),
        ("my.assets", {"AWS_DEFAULT_REGION": "eu-south-1"}, "https://s3.eu-south-1.amazonaws.com/my.assets/"),
        ("assets", {"AWS_DEFAULT_REGION": "cn-north-1"}, "https://assets.s3.cn-north-1.amazonaws.com.cn/"),
        ("assets", {"AWS_S3_ENDPOINT_URL": "https://s3.example.com"}, "https://s3.example.com/assets/"),
        ("assets", {"AWS_S3_ENDPOINT_URL": "https://s3.example.com:9000/"}, "https://s3.example.com:9000/assets/"),
        ("assets", {"AWS_S3_ENDPOINT_URL": "https://s3.example.com", "AWS_S3_CUSTOM_DOMAIN": "cdn.example.com"}, "https://cdn.example.com/"),
    ],
)  # fmt: skip
def test_pages_may_load_the_assets_of_the_bucket(s3_bake, bucket, variables, source):
    storage = "__import__('django.core.files.storage').core.files.storage.storages['staticfiles']"
    expression = f"[{storage}.url('css/site.css'), settings.CSP['default-src'][-1]]"
    env = {**PRODUCTION, "AWS_STORAGE_BUCKET_NAME": bucket, **variables}
    url, allowed = value_of(s3_bake, expression, **env)
    assert allowed == source
    assert url.startswith(f"{source}static/css/site.")


def test_the_build_settings_need_no_secrets_and_contact_no_servers(bake):
    project = bake(database="postgresql", static_files="s3")
    build = {"DJANGO_SETTINGS_MODULE": "config.settings.build", "STATIC_ROOT": "/nowhere"}
    project.manage("collectstatic", "--no-input", **build)
    project.manage("check", "--deploy", "--fail-level", "WARNING", **build)
    names = json.loads((project.path / "staticfiles.json").read_text())["paths"]
    assert (project.path / "staticfiles" / names["css/site.css"]).is_file()
    keys = {value_of(project, "settings.SECRET_KEY", **build) for _ in range(2)}
    assert len(keys) == 2
