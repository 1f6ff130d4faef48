"""A small service whose static files the tests of ``common.static_files`` collect and name."""

from hashlib import md5
from importlib.util import find_spec
from pathlib import PurePath

from django.core.checks import run_checks
from django.core.management import call_command
from django.templatetags.static import static

LOCAL = "common.static_files.manifest.RootManifestStaticFilesStorage"
S3 = "common.static_files.s3.RootManifestS3Storage"
WHITENOISE = "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"
# The backends of this bake that keep files in STATIC_ROOT.
LOCAL_BACKENDS = [LOCAL, *[WHITENOISE] * bool(find_spec("common.static_files.whitenoise"))]

APP_CSS = "a { color: red }" * 99
HASHED_NAME = "app.1e7c9116d2d2.css"
HASHED_URL = f"/static/{HASHED_NAME}"


def hashed(name, content):
    """Return the name that Django gives a file called ``name`` with that content."""
    path, digest = PurePath(name), md5(content.encode(), usedforsecurity=False).hexdigest()
    return f"{path.stem}.{digest[:12]}{path.suffix}"


# Stylesheets of which Django makes an intermediate version: main.css imports theme.css, whose own
# references are hashed only after main.css has been hashed for the first time.
CHAIN = {
    "main.css": '@import url("theme.css");',
    "theme.css": 'a { background: url("mark.svg") }',
    "mark.svg": "<svg/>",
}
INTERMEDIATE = hashed("main.css", f'@import url("{hashed("theme.css", CHAIN["theme.css"])}");')
FINAL_MARK = hashed("mark.svg", CHAIN["mark.svg"])
FINAL_THEME = hashed("theme.css", f'a {{ background: url("{FINAL_MARK}") }}')
FINAL_MAIN = hashed("main.css", f'@import url("{FINAL_THEME}");')
FINAL_NAMES = [HASHED_NAME, FINAL_MAIN, FINAL_MARK, FINAL_THEME]


class Site:
    """A service with one stylesheet, ``app.css``. Each method does what a new process would do."""

    def __init__(self, settings, folder, backend, **options):
        self.settings, self.root = settings, folder / "project"
        self.source, self.static_root = self.root / "static", self.root / "staticfiles"
        self.manifest = self.root / "staticfiles.json"
        self.source.mkdir(parents=True)
        self.write({"app.css": APP_CSS})
        settings.BASE_DIR = self.root
        settings.STATIC_ROOT = self.static_root
        settings.STATICFILES_DIRS = [self.source]
        settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
        settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = False
        self.use(backend, **options)

    def use(self, backend, **options):
        staticfiles = {"BACKEND": backend, "OPTIONS": options}
        self.settings.STORAGES = {**self.settings.STORAGES, "staticfiles": staticfiles}

    def write(self, files):
        for name, text in files.items():
            (self.source / name).write_text(text)

    def restart(self):
        self.settings.STORAGES = {**self.settings.STORAGES}

    def collect(self, **options):
        self.restart()
        call_command("collectstatic", interactive=False, verbosity=0, **options)

    def collected(self):
        """Return the content of each file in STATIC_ROOT, by name."""
        return {path.name: path.read_bytes() for path in sorted(self.static_root.iterdir())}

    def url(self, name="app.css"):
        self.restart()
        return static(name)  # what the template tag calls

    def errors(self):
        return run_checks(tags=["staticfiles"], include_deployment_checks=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())
