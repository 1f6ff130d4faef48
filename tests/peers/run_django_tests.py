"""Run a suite of Django's own tests in a bake, on the pieces of Django ("stock") or on ours ("ours").

    python run_django_tests.py FOLDER SUITE stock|ours FILE

FOLDER is the ``tests`` folder of Django's source distribution. The bake must be on PYTHONPATH.
The outcomes go to FILE as JSON.
"""

import json
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import TextTestResult

import django.test
from django.conf import settings
from django.db.models.signals import ModelSignal
from django.dispatch import Signal
from django.test.runner import DiscoverRunner
from django.test.signals import setting_changed
from django.test.utils import iter_test_cases

LABELS = {
    "jobs": ["tasks"],
    "sessions": ["sessions_tests"],
    "signals": ["dispatch", "signals"],
    "static_files": ["staticfiles_tests"],
    "testing": ["servers", "test_client", "test_utils"],
    "whitenoise": ["staticfiles_tests"],
}
SESSION_STORE = "django.contrib.sessions.backends.db.SessionStore"
MANIFEST_STORAGE = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
# The classes that each run puts in the place of Django's.
REPLACED = {
    ("jobs", "ours"): {
        "django.tasks.backends.dummy.DummyBackend": "jobs_backends.RecordingBackend",
        "django.tasks.backends.immediate.ImmediateBackend": "jobs_backends.RunningBackend",
    },
    ("sessions", "ours"): {SESSION_STORE: "common.sessions.engine.SessionStore"},
    ("static_files", "ours"): {
        MANIFEST_STORAGE: "common.static_files.manifest.RootManifestStaticFilesStorage"
    },
    ("whitenoise", "stock"): {
        MANIFEST_STORAGE: "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
    ("whitenoise", "ours"): {
        MANIFEST_STORAGE: "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"
    },
}
BASES = ["LiveServerTestCase", "SimpleTestCase", "TestCase", "TransactionTestCase"]


def replace_class(old, new):
    (old_module, old_name), (new_module, new_name) = old.rsplit(".", 1), new.rsplit(".", 1)
    replacement = getattr(import_module(new_module), new_name)
    setattr(import_module(old_module), old_name, replacement)


def flip_setting():
    """Suspend all receivers of ``suspending_receiver``, and resume them."""
    with django.test.override_settings(SUSPEND_SIGNALS=True):
        pass


def reroute_connect():
    """Make ``Signal.connect`` use ``suspending_receiver``, and then flip the setting."""
    from common.signals import suspending_receiver

    is_rerouted = False  # suspending_receiver itself calls connect

    def rerouted(connect):
        def connect_or_reroute(signal, receiver, *args, **kwargs):
            nonlocal is_rerouted
            if is_rerouted or signal is setting_changed:
                connect(signal, receiver, *args, **kwargs)
                return
            kwargs.update(zip(("sender", "weak", "dispatch_uid", "apps"), args, strict=False))
            is_rerouted = True
            try:
                suspending_receiver(signal, **kwargs)(receiver)
            finally:
                is_rerouted = False
            flip_setting()

        return connect_or_reroute

    for signal_class in (Signal, ModelSignal):
        signal_class.connect = rerouted(signal_class.connect)


def replace_bases(labels):
    """Derive the test cases in the modules of ``labels`` from the bases of ``common.testing``."""
    import common.testing

    ours = {getattr(django.test, name): getattr(common.testing, name) for name in BASES}
    for module in [sys.modules[name] for name in sys.modules if name.split(".")[0] in labels]:
        classes = {name: each for name, each in vars(module).items() if isinstance(each, type)}
        for name, each in classes.items():
            if each in ours:
                setattr(module, name, ours[each])
            elif ours.keys() & {*each.__bases__}:
                each.__bases__ = tuple(ours.get(base, base) for base in each.__bases__)


class Result(TextTestResult):
    def startTest(self, test):  # noqa: N802 -- unittest calls it so
        flip_setting()
        super().startTest(test)


def outcomes_of(tests, result):
    """Return ``{test id: [outcome, traceback]}``. A failed subtest is a failure of its test."""
    outcomes = {test.id(): ["passed", ""] for test in tests}
    for outcome, cases in {
        "skipped": result.skipped,
        "failed as expected": result.expectedFailures,
        "passed unexpectedly": [(test, "") for test in result.unexpectedSuccesses],
        "failed": result.failures + result.errors,
    }.items():
        for test, text in cases:
            outcomes[getattr(test, "test_case", test).id()] = [outcome, text]
    return outcomes


class Runner(DiscoverRunner):  # type: ignore[misc] # Django is installed only in bakes
    def __init__(self, replaces_bases):
        super().__init__(verbosity=0, interactive=False)
        self.replaces_bases = replaces_bases
        self.outcomes = {}

    def get_resultclass(self):
        return Result

    def build_suite(self, labels, **kwargs):
        suite = super().build_suite(labels, **kwargs)
        if self.replaces_bases:
            replace_bases(labels)
        return suite

    def run_suite(self, suite, **kwargs):
        tests = [*iter_test_cases(suite)]  # a suite forgets each test that has run
        result = super().run_suite(suite, **kwargs)
        self.outcomes = outcomes_of(tests, result)
        return result


def run(suite, pieces, temporary):
    """Run the tests of ``suite``, and return their outcomes."""
    runtests: Any = import_module("runtests")
    set_up = runtests.setup_collect_tests

    def set_up_and_replace(*args, **kwargs):
        """Replace a piece after Django's apps are loaded, before the modules of tests are imported."""
        collected = set_up(*args, **kwargs)
        settings.BASE_DIR = Path(temporary, "service")
        for old, new in REPLACED.get((suite, pieces), {}).items():
            replace_class(old, new)
        if (suite, pieces) == ("signals", "ours"):
            reroute_connect()
        return collected

    if (suite, pieces) == ("jobs", "ours"):
        runtests.ALWAYS_INSTALLED_APPS.append("common.jobs.JobsConfig")
        settings.CELERY_BROKER_URL, settings.USE_TZ = "", True  # as in each bake
        django.test.SimpleTestCase.databases = {"default"}  # where jobs are
    runtests.setup_collect_tests = set_up_and_replace
    labels, _ = runtests.setup_run_tests(0, None, None, LABELS[suite])
    runner = Runner(replaces_bases=(suite, pieces) == ("testing", "ours"))
    runner.run_tests(labels)
    return runner.outcomes


def main(folder, suite, pieces, file):
    sys.path.insert(0, folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "test_sqlite"
    with tempfile.TemporaryDirectory() as temporary:
        tempfile.tempdir = os.environ["TMPDIR"] = temporary
        outcomes = run(suite, pieces, temporary)
    Path(file).write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
