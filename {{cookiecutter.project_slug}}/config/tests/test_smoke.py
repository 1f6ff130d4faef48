"""The whole service, once over: each admin page opens, each URL is answered, no migration is missing.

What you add to the admin and to the URLs is part of it at once. A view that cannot answer here, for want of
another service, goes into SKIPPED, and gets tests of its own in its app.
"""

from itertools import product
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.management import call_command
from django.urls import URLResolver, get_resolver, resolve, reverse
from django.utils.regex_helper import normalize

SKIPPED = set()  # routes, as pytest prints them
# What stands for the arguments of routes: the first that they match.
ARGUMENTS = ["1", "a", str(UUID(int=1)), *(config.label for config in apps.get_app_configs())]


def routes(resolver, *parents):
    """Yield the patterns of each URL, from the outermost to the view's own."""
    for found in resolver.url_patterns:
        patterns = [*parents, found.pattern]
        if isinstance(found, URLResolver):
            yield from routes(found, *patterns)
        elif name_of(patterns) not in SKIPPED:
            yield patterns


def name_of(patterns):
    return "/" + "".join(map(str, patterns))


def example(pattern):
    """Return text that ``pattern`` matches."""
    for text, names in normalize(pattern.regex.pattern):
        for values in product(ARGUMENTS, repeat=len(names)):
            filled = text % dict(zip(names, values, strict=True))
            if pattern.match(filled):
                return filled
    pytest.fail(f"no argument matches {str(pattern)!r}: add one to ARGUMENTS")


@pytest.mark.parametrize("patterns", [*routes(get_resolver())], ids=name_of)
def test_each_url_is_answered(admin_client, patterns):
    path = "/" + "".join(map(example, patterns))
    assert resolve(path).func
    assert admin_client.get(path).status_code < 500  # Not found is an answer; to crash is none.


@pytest.mark.parametrize("model", [*admin.site._registry], ids=lambda model: model._meta.label)
def test_each_admin_page_opens(admin_client, admin_user, rf, model):
    request = rf.get("/")
    request.user = admin_user
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    may_add = admin.site.get_model_admin(model).has_add_permission(request)

    assert admin_client.get(reverse(f"{name}_changelist")).status_code == 200
    assert admin_client.get(reverse(f"{name}_changelist"), {"q": "a"}).status_code == 200
    assert admin_client.get(reverse(f"{name}_add")).status_code == (200 if may_add else 403)


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True)
