"""The commands of docs/updating.md: a service of an early template, and rows that move to PostgreSQL."""

import json
import re

import pytest

from tests.harness.project import TEMPLATE
from tests.updates.conftest import BEFORE, Repository


def commands(containing):
    """Return the block of commands in the document that contains a word."""
    document = (TEMPLATE / "docs/updating.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", document, re.DOTALL)
    [block] = [block for block in blocks if containing in block]
    return block


def test_a_service_from_before_update_template_and_without_a_record_updates(template, make):
    given = {"database": "postgresql", "ci_provider": "gitlab"}
    service = make("before-the-weight", **given)
    service.run("git", "rm", "--quiet", ".cruft.json")
    service.commit()
    link, updater = commands("cruft@"), commands("update.py")
    [url] = {*re.findall(r"https://\S+\.git", link + updater)}
    # git fetches this repository instead of the URL.
    mapped = {"GIT_CONFIG_KEY_0": f"url.{template.path}.insteadOf", "GIT_CONFIG_VALUE_0": url}
    author = {f"GIT_{who}_{x}": "t" for who in ("AUTHOR", "COMMITTER") for x in ("NAME", "EMAIL")}
    script = link.replace("COMMIT ", f"{BEFORE['before-the-weight']} ") + updater
    output = service.run("bash", "-ec", script, GIT_CONFIG_COUNT="1", **mapped, **author)
    assert "of the template\n" in output
    assert "<<<<<<<" not in output
    assert json.loads((service.path / ".cruft.json").read_text())["template"] == url
    fresh = make(**given)
    for path in fresh.files():
        if path.name != ".cruft.json":
            assert (service.path / path.relative_to(fresh.path)).read_bytes() == path.read_bytes()


FILL = """
from datetime import UTC, datetime
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.test import Client
from apps.shop.models import Description, Language, Product
from apps.users.models import User

ContentType.objects.all().delete()  # They and the permissions get other keys than a new database has.
call_command("migrate", verbosity=0)
user = User.objects.create_user("ada", password="a long password", is_staff=True)
user.user_permissions.add(Permission.objects.get(codename="add_product"))
user.groups.add(Group.objects.create(name="staff"))
user.profile.display_name = "Ada"
user.profile.save()
for name in ("Ink", "Paper", "Pen"):
    Product.objects.create(name=name, price=1)
Product.objects.get(name="Ink").delete()
Description.objects.create(
    product=Product.objects.get(name="Pen"),
    language=Language.objects.create(code="en", name="English"),
    subtitle="It writes.",
)
Product.objects.update(described_at=datetime(2020, 1, 1, tzinfo=UTC))
gone = ContentType.objects.create(app_label="gone", model="thing")
LogEntry.objects.create(user=user, content_type=gone, object_repr="A thing", action_flag=CHANGE)
client = Client()
client.force_login(user)
print("key", client.session.session_key)
"""
LOOK = """
from django.db import connection
from django.test import Client
from django.contrib.admin.models import LogEntry
from apps.shop.models import Description, Product
from apps.users.models import Profile, User

assert connection.vendor == "postgresql"
assert [*Product.objects.values_list("pk", "name")] == [(2, "Paper"), (3, "Pen")]
assert {{product.described_at.year for product in Product.objects.all()}} == {{2020}}
assert Description.objects.get().subtitle == "It writes."
assert LogEntry.objects.get().object_repr == "A thing"
assert Profile.objects.get().display_name == "Ada"
ada = User.objects.get()
assert ada.has_perm("shop.add_product") and ada.groups.get().name == "staff"
client = Client(headers={{"host": "localhost"}})
assert client.post("/admin/login/", {{"username": "ada", "password": "a long password"}}).status_code == 302
client = Client(headers={{"host": "localhost"}})
client.cookies["sessionid"] = "{key}"
assert client.get("/admin/").status_code == 200
assert Product.objects.create(name="Rubber", price=1).pk == 4
assert User.objects.create_user("bob").profile.pk == 2
"""


@pytest.mark.long
def test_rows_move_from_sqlite_to_postgresql(make, update, environment_for, postgresql):
    service = make()
    service.manage("migrate")
    key = re.search(r"^key (\w+)$", service.manage("shell", "-v0", "-c", FILL), re.MULTILINE)[1]
    service.commit()
    update(service, "--answer=database=postgresql")
    service = Repository(service.path, environment_for(service.path))
    script = commands("loaddata").replace("postgres://user:password@host:5432/name", postgresql)
    output = service.run("bash", "-ec", script)
    assert re.search(r"Installed \d+ object\(s\) from 1 fixture\(s\)", output)
    service.manage("shell", "-v0", "-c", LOOK.format(key=key), DATABASE_URL=postgresql)
