"""A real browser, axe-core, and a bake that it visits in production, once for each Django.

The tests need Chromium or Chrome, and npm, which downloads axe-core. Without one of them they are
skipped, or fail if REQUIRE_BROWSER is set.
"""

import os
import shutil
import subprocess
import tarfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import sync_playwright

from tests.harness.project import GUNICORN, PRODUCTION, TEMPLATE, Project

AXE = "axe-core@4.14.1"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 15  # for each action of the browser
VIOLATION = """document.addEventListener("securitypolicyviolation", event =>
    console.error(`violation: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`))"""
# Rules of axe-core that need the text of stylesheets are not used: axe-core would load it with inline styles.
RUN_AXE = """async () => (await axe.run({preload: false})).violations.map(
    found => `${found.id}: ${found.nodes.map(node => node.html).join(" ")}`)"""

# Views for the tests, and a field of the admin that completes what is typed.
PLANTED = """

from http import HTTPStatus

from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse
from django.template import RequestContext, Template

from apps.shop.admin import DescriptionInline
from apps.shop.models import Language
from common.pages import error

NONCE = Template(
    '<!doctype html><html lang="en"><title>none</title><h1>Nonce</h1>'
    '<script nonce="{{ csp_nonce }}{{ CSP_NONCE }}">document.title = "allowed"</script>'
    "<script>document.title = 'blocked'</script>"
)


def refuse(request):
    raise SuspiciousOperation


urlpatterns[:0] = [
    urls.path("refuse", refuse),
    urls.path("crash", lambda request: 1 / 0),
    urls.path("down", lambda request: error(request, status=HTTPStatus.SERVICE_UNAVAILABLE)),
    urls.path("nonce", lambda request: HttpResponse(NONCE.render(RequestContext(request)))),
    urls.path("welcome", TemplateView.as_view(template_name="welcome.html")),
]
DescriptionInline.autocomplete_fields = ["language"]
admin.site.get_model_admin(Language).search_fields = ["name"]
"""
PREPARE = """
from django.contrib.auth import get_user_model
from django.core.management import call_command

call_command("migrate", verbosity=0)
for name in ("ada", "grace"):
    get_user_model().objects.create_superuser(name, f"{name}@example.com", "correct horse")

from apps.shop.models import Description, Language, Product
english = Language.objects.create(code="en", name="English")
german = Language.objects.create(code="de", name="Deutsch")
for name in ["Kettle", "Mug", "Teapot", *map("Towel {}".format, range(24))]:
    product = Product.objects.create(name=name, price="19.90")
    Description.objects.create(product=product, language=english, subtitle=f"A {name}")
    Description.objects.create(product=product, language=german, subtitle=name)
"""


def skip_or_fail(reason):
    if "REQUIRE_BROWSER" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    """Yield the browser."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not path:
        skip_or_fail("no Chromium: run apt-get install chromium")
    options = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """Return the source of axe-core."""
    if not shutil.which("npm"):
        skip_or_fail("no npm: run apt-get install npm")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "pack", "--silent", AXE]
    packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if packed.returncode:
        skip_or_fail(f"npm cannot download {AXE}: {packed.stderr}")
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        return str(archive.extractfile("package/axe.min.js").read(), "utf-8")


class Collector(ThreadingHTTPServer):
    """A server that keeps the reports of violations that browsers post to it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Reports)
        self.reports: list[str] = []


class Reports(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.server.reports.append(str(self.rfile.read(length), "utf-8"))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@dataclass
class Site:
    """A bake in production. ``reports`` are the violations that browsers have reported."""

    project: Project
    url: str
    reports: list[str] = field(repr=False)


@contextmanager
def prepared(project, **env):
    """Collect assets and make rows for production over plain HTTP, for which browsers trust localhost.

    Yield the variables of a server, and the reports of browsers.
    """
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        variables = {
            **PRODUCTION,
            "ALLOWED_HOSTS": "localhost",
            "SECURE_PROXY_SSL_HEADER": "",
            "SECURE_SSL_REDIRECT": "false",
            "CSP_REPORT_URI": f"http://localhost:{collector.server_port}/csp",
            # Browsers open connections before they need them.
            **env,
        }
        build = {"DJANGO_SETTINGS_MODULE": "config.settings.build"}
        project.manage("collectstatic", "--no-input", **build)
        project.manage("shell", "-c", PREPARE, **variables)
        yield variables, collector.reports
        collector.shutdown()


@contextmanager
def production(project, server=GUNICORN, **env):
    """Serve ``project`` in production."""
    with (
        prepared(project, **env) as (variables, reports),
        project.serving("uv", "run", *server, **variables) as url,
    ):
        yield Site(project, url.replace("127.0.0.1", "localhost"), reports)


def plant(project):
    with (project.path / "config/urls.py").open("a") as file:
        file.write(PLANTED)
    return project


@pytest.fixture(scope="session")
def sites(tmp_path_factory, bake_into):
    """Yield a function that returns the site with this Django, and serves it until the last test ends."""
    with ExitStack() as stack:

        @cache
        def site(django_version):
            folder = tmp_path_factory.mktemp("browser") / "bake"
            project = plant(bake_into(folder, TEMPLATE, {"django_version": django_version}))
            return stack.enter_context(production(project))

        yield site


@pytest.fixture(params=["5.2", "6.1"])
def site(request, sites):
    return sites(request.param)


@pytest.fixture
def visit(chromium):
    """Return a function that opens a page in a browser of its own, and notes each of its errors.

    The notes are in ``page.errors``, which the test must have emptied at its end.
    """
    opened = []

    def visit(url, *, width=1280, **options):
        context = chromium.new_context(
            base_url=url, viewport={"width": width, "height": 800}, **options
        )
        context.set_default_timeout(SECONDS * 1000)
        context.add_init_script(VIOLATION)
        page = context.new_page()
        page.errors = []
        context.on("console", lambda message: note(page, message))
        context.on("weberror", lambda error: page.errors.append(str(error.error)))
        opened.append(page)
        page.goto("/")
        return page

    yield visit
    errors = [error for page in opened for error in page.errors]
    for page in opened:
        page.context.close()
    assert errors == []


def note(page, message):
    """Note an error or a warning, except that a page has the status of an error."""
    is_status = "the server responded with a status of" in message.text
    if message.type in {"error", "warning"} and not (
        is_status and message.location["url"] == message.page.url
    ):
        page.errors.append(f"{message.text} ({message.location['url']})")


@pytest.fixture
def assert_accessible(axe):
    """Return a function that asserts that axe-core finds nothing, and that the page is not too wide."""

    def assert_accessible(page):
        page.evaluate(axe)
        assert page.evaluate(RUN_AXE) == [], page.url
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url

    return assert_accessible
