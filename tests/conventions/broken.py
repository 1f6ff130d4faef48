"""Code that breaks each convention, with the hook that rejects it and the message of that hook."""

from collections.abc import Iterator
from dataclasses import dataclass

RECEIVER = "Use common.signals.suspending_receiver"
SESSIONS = "Use common.sessions"
INTEGRITY = "use assertIntegrityError or raises_integrity_error of common.testing"
STORAGE = "use a RootManifest storage of common.static_files"
NO_APPS = "common never imports apps: let them plug in by a signal or a setting"
NO_TESTING = "only tests import common.testing: move what the service itself needs"
TASK = "Use common.jobs.task"
ENQUEUE = "use enqueue of a task of common.jobs: Celery runs its jobs, too"
ON_COMMIT = "enqueue in the transaction: the job is part of it"
CALL = "use enqueue: call and func run the task in this process, and once; only tests may use them"
TASKS = """\
from apps.users.models import User
from common.jobs import task


@task
def greet(name: str) -> None: ...


"""
MISTYPED = """\
from common.testing import MiddlewareTestCase


class ATests(MiddlewareTestCase):
    def test(self) -> None:
        self.make_request(metod="POST")
"""
OUTDATED = 'from django.db import models\n\nmodels.CheckConstraint(check=models.Q(), name="")\n'
UNMIGRATED = 'Profile.add_to_class("nick", models.TextField(default=""))\n'
CONFLICT = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\n"


@dataclass(frozen=True)
class Broken:
    """Code that ``hook`` rejects with ``message``, once it is appended to the file ``path``."""

    hook: str
    message: str
    code: str
    path: str = "apps/users/broken.py"

    def __str__(self) -> str:
        return f"{self.hook}-{self.path}-{self.code[:60]!r}"


def banned(name: str, message: str, path: str = Broken.path) -> list[Broken]:
    """Return each way to import a banned name: directly, or through its module under either name."""
    module, _, last = name.rpartition(".")
    package, _, parent = module.rpartition(".")
    codes = [f"from {module} import {last} as it\n\nit()\n", f"import {module}\n\n{name}()\n"]
    if package:
        codes.append(f"from {package} import {parent} as module\n\nmodule.{last}()\n")
    return [Broken("ruff-check", message, code, path) for code in codes]


BANNED = {
    "django.dispatch.receiver": RECEIVER,
    "django.dispatch.dispatcher.receiver": RECEIVER,
    **{
        f"{module}.{case}": f"Use common.testing.{case}"
        for module in ("django.test", "django.test.testcases")
        for case in ("SimpleTestCase", "TestCase", "TransactionTestCase", "LiveServerTestCase")
    },
    "django.contrib.sessions.backends": SESSIONS,
    "django.contrib.sessions.models.Session": SESSIONS,
    "django.contrib.staticfiles.storage.ManifestFilesMixin": "Use common.static_files.manifest.RootManifestMixin",
    "django.contrib.staticfiles.storage.ManifestStaticFilesStorage": (
        "Use common.static_files.manifest.RootManifestStaticFilesStorage"
    ),
    **{
        f"storages.backends.{module}.{name}": "Use common.static_files.s3.RootManifestS3Storage"
        for module in ("s3", "s3boto3")
        for name in ("S3StaticStorage", "S3ManifestStaticStorage")
    },
    "whitenoise.storage": "Use common.static_files.whitenoise.RootManifestWhiteNoiseStorage",
    "django.tasks.task": TASK,
    "django.tasks.base.task": TASK,
    "django_tasks.task": TASK,
    "django_tasks.base.task": TASK,
    "celery.shared_task": TASK,
    "celery.Celery": TASK,
    "common.jobs.celery": TASK,
    "channels.layers": "Use a room of common.realtime",
}
SESSION_BACKENDS = ["base", "cache", "cached_db", "db", "file", "signed_cookies"]
WITH_INTEGRITY_ERROR = [
    "with pytest.raises(IntegrityError):\n    save()\n",
    "with pytest.raises(IntegrityError, match='unique') as caught:\n    save()\n",
    "with raises(expected_exception=IntegrityError):\n    save()\n",
    "with pytest.raises(django.db.IntegrityError):\n    save()\n",
    "with pytest.raises(db.utils.IntegrityError):\n    save()\n",
    "with pytest.raises((IntegrityError, ValueError)):\n    save()\n",
    "with pytest.raises((ValueError, models.IntegrityError)):\n    save()\n",
    "with pytest.raises(\n    (\n        ValueError,\n        IntegrityError,\n    ),\n):\n    save()\n",
    "with pytest.raises(  # taken\n    IntegrityError\n):\n    save()\n",
    "with self.assertRaises(IntegrityError):\n    save()\n",
    "self.assertRaises(IntegrityError, save)\n",
    "self.assertRaises(\n    IntegrityError,\n    save,\n)\n",
    "self.assertRaises((db.IntegrityError, ValueError), save)\n",
    "self.assertRaisesRegex(IntegrityError, 'unique', save)\n",
    "self.assertRaisesMessage(django.db.IntegrityError, 'unique', save)\n",
    "with self.subTest('#1'), self.assertRaises(IntegrityError):\n    save()\n",
    "with pytest.raises((ValueError, get(), IntegrityError)):\n    save()\n",
    "with pytest.raises(match='x', expected_exception=IntegrityError):\n    save()\n",
    "with pytest.RaisesGroup(IntegrityError):\n    save()\n",
    "context = nullcontext() if fine else pytest.raises(IntegrityError)\n",
    "contexts = [pytest.raises(IntegrityError)]\n",
]

# An example for each family of the other rules that ruff enforces.
RULES = {
    "TID252": "from . import models\n\nmodels.User()\n",
    "ASYNC251": "import time\n\n\nasync def wait():\n    time.sleep(1)\n",
    "B006": "def add(to=[]):\n    to.append(1)\n",
    "C419": "all([n for n in range(9)])\n",
    "DJ008": "from django.db import models\n\n\nclass Pet(models.Model):\n    pass\n",
    "DTZ005": "import datetime\n\ndatetime.datetime.now()\n",
    "E722": "try:\n    go()\nexcept:\n    stop()\n",
    "F821": "undefined()\n",
    "G004": 'import logging\n\nlogging.info(f"{__name__}")\n',
    "INT001": 'from django.utils.translation import gettext as _\n\n_(f"{__name__}")\n',
    "ISC002": 'NAMES = ["a", "b" \\\n"c"]\n',
    "LOG015": 'import logging\n\nlogging.info("")\n',
    "N802": "def fooBar():\n    pass\n",
    "PERF401": "a = []\nfor n in range(9):\n    if n % 2:\n        a.append(n)\n",
    "PGH004": "import os  # noqa\n",
    "PIE796": "import enum\n\n\nclass A(enum.Enum):\n    B = 1\n    C = 1\n",
    "PLE0704": "raise\n",
    "PLW0602": "def count():\n    global counted\n    return counted\n",
    "PT009": "def test(self):\n    self.assertEqual(1, 1)\n",
    "RET503": "def sign(n):\n    if n < 0:\n        return -1\n",
    "RUF006": "import asyncio\n\n\nasync def go():\n    asyncio.create_task(go())\n",
    "S608": 'def find(name):\n    return f"SELECT * FROM users WHERE name = {name}"\n',
    "SIM115": 'opened = open("a")\n',
    "T100": "breakpoint()\n",
    "T201": "print()\n",
    "UP031": 'f = "%s" % (1,)\n',
}
PLACES = [
    "common",
    "common/testing",
    "common/tests",
    "config",
    "config/settings",
    "apps/users/tests",
]
# Each way to import a package, and the same import inside a function.
IMPORTS_OF_APPS = [
    "import apps\n",
    "import apps.users.models\n",
    "import apps.users.models as models\n",
    "import os, apps.users\n",
    "from apps import users\n",
    "from apps import (\n    users,\n)\n",
    "from apps.users import models\n",
    "def late():\n    import apps\n",
    "def late():\n    from apps.users import models\n",
]
IMPORTS_OF_TESTING = [
    "import common.testing\n",
    "import common.testing as t\n",
    "import common.testing.cases\n",
    "import os, common.testing\n",
    "from common import testing\n",
    "from common import testing as t\n",
    "from common import signals, testing\n",
    "from common import (\n    testing,\n)\n",
    "from common import (\n    signals,\n    testing as t,\n)\n",
    "from common.testing import TestCase\n",
    "from common.testing import (\n    TestCase,\n)\n",
    "from common.testing.cases import TestCase\n",
    "def late():\n    from common import testing\n",
    "def late():\n    from common.testing import TestCase\n",
]
STORAGES = [
    "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    "storages.backends.s3.S3StaticStorage",
    "storages.backends.s3.S3ManifestStaticStorage",
    "storages.backends.s3boto3.S3ManifestStaticStorage",
    "whitenoise.storage.CompressedManifestStaticFilesStorage",
]
WITH_ON_COMMIT = [
    "transaction.on_commit(greet.enqueue)\n",
    "on_commit(lambda: greet.enqueue(user.pk))\n",
    "on_commit(\n    lambda user=user: greet.enqueue(\n        user.pk,\n    ),\n)\n",
    "transaction.on_commit(partial(greet.enqueue, user.pk))\n",
    "transaction.on_commit(functools.partial(tasks.greet.aenqueue, 1), robust=True)\n",
    "on_commit(lambda: greet.using(priority=1).enqueue(user.pk))\n",
]
WITH_CALL = [
    "from apps.users.tasks import greet\n\ngreet.call('a')\n",
    "from apps.users.tasks import (\n    greet,\n)\n\n\ndef late():\n    greet.func('a')\n",
    "from apps.users import tasks\n\ntasks.greet.call('a')\n",
    "import apps.users.tasks\n\n\nasync def late():\n    await apps.users.tasks.greet.acall('a')\n",
    f"{TASKS}greet.using(priority=1).call('a')\n",
]


def all_broken() -> Iterator[Broken]:
    """Yield the code that each hook rejects."""
    for name, message in BANNED.items():
        yield from banned(name, message)
    for name in SESSION_BACKENDS:
        yield from banned(f"django.contrib.sessions.backends.{name}.SessionStore", SESSIONS)
    for folder in PLACES:
        yield from banned("django.dispatch.receiver", RECEIVER, f"{folder}/broken.py")
    for rule, code in RULES.items():
        yield Broken("ruff-check", f"{rule} ", code)
    yield Broken("ruff-check", "INP001", "", "apps/orders/models.py")
    yield Broken("ruff-format", "1 file reformatted", "x=1\n")
    for code in WITH_INTEGRITY_ERROR:
        yield Broken("integrity-error", INTEGRITY, code, "apps/users/tests/test_broken.py")
    for path in STORAGES:
        code = f'STORAGES = {{"staticfiles": {{"BACKEND": "{path}"}}}}\n'
        yield Broken("static-storage", STORAGE, code, "config/settings/broken.py")
    for folder in ("common", "common/sessions", "common/testing", "common/tests"):
        for code in IMPORTS_OF_APPS:
            yield Broken("imports-of-apps", NO_APPS, code, f"{folder}/broken.py")
    for folder in ("common", "common/sessions", "apps/users", "config/settings"):
        for code in IMPORTS_OF_TESTING:
            yield Broken("imports-of-testing", NO_TESTING, code, f"{folder}/broken.py")
    yield Broken("mypy", 'got "str", expected "int"', "def one() -> int:\n    return '1'\n")
    yield Broken("mypy", "Function is missing a type annotation", "def one(x):\n    return x\n")
    yield Broken("enqueue", ENQUEUE, "greet.delay(1)\n")
    yield Broken("enqueue", ENQUEUE, "greet.apply_async([1])\n", "common/broken.py")
    for code in WITH_ON_COMMIT:
        yield Broken("on-commit", ON_COMMIT, code)
    for code in WITH_CALL:
        yield Broken("task-call", CALL, code)
    unfit = f"{TASKS}@task\ndef welcome(user: User) -> None: ...\n"
    for message in ("common.E003", "apps.users.tasks.welcome: 'user' is annotated"):
        yield Broken("tasks", message, unfit, "apps/users/tasks.py")
    wrong = f"{TASKS}greet.enqueue(User.objects.get().pk)\n"
    yield Broken(
        "mypy", 'has incompatible type "int"; expected "str"', wrong, "apps/users/tasks.py"
    )
    yield Broken("mypy", 'argument "metod"', MISTYPED, "apps/users/tests/test_broken.py")
    yield Broken("mypy", "Missing type arguments", "x: dict = {}\n", "common/broken.py")
    yield Broken("django-upgrade", "Rewriting apps/users/broken.py", OUTDATED)
    yield Broken("djade", "1 file reformatted", "{%if a%}{% endif %}\n", "templates/broken.html")
    yield Broken("migrations", "Add field nick to profile", UNMIGRATED, "apps/users/models.py")
    yield Broken("migrations", "run manage.py makemigrations", UNMIGRATED, "apps/users/models.py")
    yield Broken("private-key", "Private key found: key.pem", KEY, "key.pem")
    yield Broken("large-files", "(501 KB) exceeds 500 KB", "x" * 501 * 1024, "static/broken.txt")
    yield Broken("merge-conflict", "Merge conflict string '<<<<<<<' found", CONFLICT, "README.md")
    for path in ("README.md.rej", "config/urls.py.orig"):
        yield Broken("rejects", f"by hand, then delete it. Delete *.orig files. {path}", "a", path)
    yield Broken("toml", "broken.toml", "a = \n", "broken.toml")
    yield Broken("yaml", "broken.yaml", "a: [\n", "broken.yaml")
    yield Broken("trailing-whitespace", "Fixing broken.txt", "a \n", "broken.txt")
    yield Broken("end-of-file", "Fixing broken.txt", "a", "broken.txt")
    yield Broken("line-endings", "broken.txt: fixed mixed", "a\r\nb\nc\n", "broken.txt")
