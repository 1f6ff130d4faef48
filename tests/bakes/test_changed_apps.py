"""What people do first to an app of ``manage.py startapp`` breaks neither its tests nor a hook.

Each change is made as a person would make it: edit the files that the change names, run
``makemigrations`` and answer its questions.
"""

import re
import shlex
import shutil

import pytest

from tests.bakes.test_startapp import assert_hooks_pass

NAME = "    name = models.CharField(max_length=100, unique=True)\n"
MODELS, FACTORIES = "models.py", "tests/factories.py"
PAGE = ("views.py", "urls.py")  # only in apps made with --page


def fields(models, factories="", imports=""):
    """Return the edits that add fields below ``name``, and their values to the factory."""
    edits = [(MODELS, re.escape(NAME), NAME + models)]
    edits += [(MODELS, "from django.db import models\n", imports)] if imports else []
    return [*edits, (FACTORIES, r"\Z", factories)]


# For each change: the edits (a file of the app, a pattern, the new text), the answers to makemigrations.
CHANGES = {
    "optional fields": (
        fields("""\
    code = models.CharField(max_length=20, blank=True)
    note = models.TextField(blank=True, default="")
    is_open = models.BooleanField(default=True)
    count = models.PositiveIntegerField(default=0)
    price = models.DecimalField(max_digits=9, decimal_places=2, null=True, blank=True)
    data = models.JSONField(default=dict, blank=True)
    day = models.DateField(null=True, blank=True)
"""),
        "",
    ),
    "required fields": (
        fields(
            """\
    slug = models.SlugField(unique=True)
    amount = models.DecimalField(max_digits=6, decimal_places=2)
    token = models.BinaryField()
""",
            """\
    slug = factory.Sequence("slug-{}".format)
    amount = factory.Faker("pydecimal", left_digits=4, right_digits=2)
    token = b"token"
""",
        ),
        "1\n0\n1\n'a'\n1\nb''\n",
    ),
    "choices": (
        fields("""\

    class Status(models.TextChoices):
        OPEN = "open"
        DONE = "done"

    status = models.CharField(max_length=4, choices=Status, default=Status.OPEN)
"""),
        "",
    ),
    "times": (
        fields("""\
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)
"""),
        "1\n\n",
    ),
    "a required foreign key": (
        fields(
            "    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)\n",
            '    owner = factory.SubFactory("apps.users.tests.factories.UserFactory")\n',
            "from django.conf import settings\nfrom django.db import models\n",
        ),
        "1\n1\n",
    ),
    "a required relation to one": (
        fields(
            '    twin = models.OneToOneField("users.User", models.CASCADE, related_name="twin")\n',
            '    twin = factory.SubFactory("apps.users.tests.factories.UserFactory")\n',
        ),
        "1\n1\n",
    ),
    "many to many, and itself": (
        fields("""\
    tags = models.ManyToManyField("auth.Group")
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True)
"""),
        "",
    ),
    "a second model": (
        [
            (
                MODELS,
                r"\Z",
                """

class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    text = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.text
""",
            ),
            (MODELS, r"\Z", ""),
        ],
        "",
    ),
    "a constraint and another order": (
        [
            (
                MODELS,
                r'ordering = \["name"\]',
                """ordering = ["-created", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "slug"], name="one_slug_for_each_owner"),
            models.CheckConstraint(condition=models.Q(count__lt=1000), name="few"),
        ]""",
            )
        ],
        "",
    ),
    "another text": ([(MODELS, r"return self\.name", 'return f"{self.name}"')], ""),
    "another name of the field": (
        [
            (MODELS, r"\bname = models", "title = models"),
            (MODELS, r"self\.name", "self.title"),
            ("admin.py", '"name"', '"title"'),
            (FACTORIES, r"\bname =", "title ="),
            (
                "tests/test_orders.py",
                r'"name"|\bname\b(?=[=)\n])',
                lambda found: found[0].replace("name", "title"),
            ),
        ],
        "y\n",
    ),
    "another name of the model": (
        [
            (path, "Order", "Purchase")
            for path in (
                MODELS,
                "admin.py",
                "receivers.py",
                "views.py",
                "urls.py",
                FACTORIES,
                "tests/test_orders.py",
            )
        ],
        "y\n",
    ),
    "no admin": ([("admin.py", r"(?s).*", "")], ""),
    "no receiver": (
        [
            ("receivers.py", None, None),
            ("apps.py", r"(?s)\n    def ready.*", ""),
            ("tests/test_orders.py", r"(?s)\n\n@override_settings\(SUSPEND_SIGNALS=False\).*", ""),
            (
                "tests/test_orders.py",
                r"from apps\.orders\.(receivers|models).*\n|from django\.test.*\n+",
                "",
            ),
        ],
        "",
    ),
}


def change(project, edits, answers, *options):
    app = project.path / "apps/orders"
    for name, pattern, new in edits:
        if not (app / name).exists():
            assert name in PAGE
            continue
        if pattern is None:
            (app / name).unlink()
            continue
        text, count = re.subn(pattern, new, (app / name).read_text())
        assert count, (name, pattern)
        (app / name).write_text(text)
    shutil.rmtree(app / "__pycache__", ignore_errors=True)
    command = f"uv run manage.py makemigrations orders {' '.join(options)}"
    project.run("bash", "-c", f"printf %b {shlex.quote(answers)} | {command}")


def assert_formatted(project):
    project.uv("ruff", "check", "apps/orders")
    project.uv("ruff", "format", "--check", "apps/orders")


@pytest.mark.long
@pytest.mark.parametrize("page", [False, True], ids=["without page", "page"])
def test_an_app_survives_what_people_do_to_it_first(bake, page):
    """Make all changes, one after the other; run the tests of the app after each, the hooks at the end."""
    project = bake(django_version="6.1" if page else "5.2")
    project.run("uv", "sync", "--quiet")
    project.track()
    project.manage("startapp", "orders", "--model=Order", *(["--page"] if page else []))
    for name, (edits, answers) in CHANGES.items():
        print(name)
        change(project, edits, answers)
        project.uv("pytest", "apps/orders", "config", "-q")
        assert_formatted(project)
    assert_hooks_pass(project)


def test_a_key_of_another_kind_breaks_no_test(bake):
    project = bake()
    project.manage("startapp", "orders", "--model=Order")
    key = "    id = models.UUIDField(primary_key=True, default=uuid.uuid4)\n"
    imports = (MODELS, "^", "import uuid\n\n")
    (project.path / "apps/orders/migrations/0001_initial.py").unlink()
    change(project, [imports, (MODELS, re.escape(NAME), key + NAME)], "")
    project.uv("pytest", "apps/orders")
    assert_formatted(project)
