"""How a bake responds in production: pages, static files, redirects, errors, logins and deploy checks."""

import re
import urllib.error
import urllib.parse
import urllib.request

import pytest

from tests.harness.project import GUNICORN, PRODUCTION, TEMPLATE, page


@pytest.fixture(scope="module")
def site(tmp_path_factory, bake_into):
    """Yield a project and its URL under gunicorn in production.

    The site has a user, and a view that raises an exception.
    """
    project = bake_into(tmp_path_factory.mktemp("site") / "bake", TEMPLATE, {})
    urls = project.path / "config/urls.py"
    urls.write_text(
        urls.read_text() + 'urlpatterns.insert(0, urls.path("crash", lambda request: 1 / 0))\n'
    )
    for command in (["migrate"], ["collectstatic", "--no-input"]):
        project.manage(*command, **PRODUCTION)
    env = {**PRODUCTION, "DJANGO_SUPERUSER_PASSWORD": "correct horse"}
    project.manage(
        "createsuperuser", "--no-input", "--username=ada", "--email=ada@example.com", **env
    )
    with project.serving("uv", "run", *GUNICORN, **PRODUCTION) as url:
        yield project, url


class KeepRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def fetch(url, data=None, **headers):
    opener = urllib.request.build_opener(KeepRedirects)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        return opener.open(urllib.request.Request(url, data, names), timeout=20)
    except urllib.error.HTTPError as error:
        return error


def test_production_serves_pages_static_files_redirects_and_errors(site):
    project, url = site
    https = {"X_Forwarded_Proto": "https"}
    with fetch(url) as plain:
        assert (plain.status, plain.headers["Location"]) == (
            301,
            url.replace("http:", "https:") + "/",
        )
    with fetch(f"{url}/healthz", Host="10.1.2.3") as probe:
        assert (probe.status, probe.read()) == (200, b"ok\n")
    with fetch(url, **https, Host="evil.example") as stranger:
        assert stranger.status == 400
    with fetch(url, **https) as first:
        assert first.headers["Strict-Transport-Security"] == "max-age=3600"
        body = first.read().decode()
        assert "<title>My Service</title>" in body
        assert "A Django service." in body
        css = re.search(r'href="(/static/css/site\.[0-9a-f]{12}\.css)"', body)[1]
    with fetch(url + css, **https, Accept_Encoding="gzip") as style:
        assert "immutable" in style.headers["Cache-Control"]
        assert style.headers["Content-Encoding"] == "gzip"
    image = re.search(r"/static/img/mark\.[0-9a-f]{12}\.svg", body)[0]
    assert "<svg" in page(url + image)
    with fetch(f"{url}/no/%3Csuch%3E/page", **https) as missing:
        body = missing.read().decode()
        assert (missing.status, "Page not found" in body, "My Service" in body) == (404, True, True)
        assert "/no/&lt;such&gt;/page" in body
    with fetch(f"{url}/crash", **https) as crash:
        body = crash.read().decode()
        assert (crash.status, "Something went wrong" in body) == (500, True)
        assert '<a href="/">' in body
        assert re.search(r"/static/css/site\.[0-9a-f]{12}\.css", body)
        assert "default-src 'self'" in crash.headers["Content-Security-Policy"].split("; ")
        assert crash.headers["Permissions-Policy"].startswith("camera=(), ")
    log = next(project.path.parent.glob("server-*.log")).read_text()
    assert "ERROR django.request: Internal Server Error: /crash" in log
    assert "ZeroDivisionError" in log


@pytest.mark.parametrize(
    ("origin", "status"), [("https://{host}", 302), ("https://evil.example", 403), (None, 403)]
)
def test_an_admin_login_through_the_proxy_requires_the_origin_of_the_site(site, origin, status):
    _, url = site
    host = url.removeprefix("http://")
    with fetch(f"{url}/admin/login/", X_Forwarded_Proto="https") as form:
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', form.read().decode())[1]
        cookie = form.headers["Set-Cookie"]
    assert "Secure" in cookie
    data = {"csrfmiddlewaretoken": token, "username": "ada", "password": "correct horse"}
    headers = {"X_Forwarded_Proto": "https", "Cookie": cookie.partition(";")[0]}
    if origin:
        headers["Origin"] = origin.format(host=host)
    with fetch(f"{url}/admin/login/", urllib.parse.urlencode(data).encode(), **headers) as answer:
        assert answer.status == status
        if status == 302:
            assert "Secure" in answer.headers["Set-Cookie"]


def test_deploy_checks_fail_until_collectstatic_has_written_the_manifest(bake):
    project = bake()
    check = ["check", "--deploy", "--fail-level", "WARNING"]
    output = project.manage(*check, status=1, **PRODUCTION)
    assert "common.E002" in output
    assert "run collectstatic" in output
    project.manage("collectstatic", "--no-input", **PRODUCTION)
    project.manage(*check, **PRODUCTION)
    assert "common.W001" in project.manage(*check, status=1, **PRODUCTION, SUSPEND_SIGNALS="1")
    assert "common.W002" in project.manage(*check, status=1, **{**PRODUCTION, "ALLOWED_HOSTS": "*"})
