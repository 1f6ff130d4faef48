"""Smoke tests of the whole service: every URL answers, every admin page opens, no migration is missing.

They find new URLs and admin pages themselves. If one cannot answer here, because it needs another
service, add it to SKIPPED and test it in its app.
"""

from contextlib import suppress
from itertools import product

import pytest
from django.apps import apps
from django.contrib.admin.sites import all_sites
from django.core.management import call_command
from django.urls import NoReverseMatch, Resolver404, URLResolver, get_resolver, resolve, reverse
from django.utils.regex_helper import normalize

SKIPPED = set()  # routes and admin pages, as pytest prints them
# Values for the arguments of routes, tried in this order: a key, a slug, a year, the label of an app, a UUID.
ARGUMENTS = ["1", "a", "2000", "users", "00000000-0000-0000-0000-000000000001"]


def find_routes(resolver, *parents):
    """Yield each route, with its patterns, the outermost first, and its view."""
    for found in resolver.url_patterns:
        patterns = [*parents, found.pattern]
        if isinstance(found, URLResolver):
            yield from find_routes(found, *patterns)
        else:
            yield "/" + "".join(map(str, patterns)), (patterns, found.callback)


def find_admins():
    """Yield the name of each admin, with which the names of its pages begin."""
    for site in all_sites:
        with suppress(NoReverseMatch):  # Skip sites that are not in the URLs.
            reverse(f"{site.name}:index")
            for model in filter(site.is_registered, apps.get_models()):
                yield f"{site.name}:{model._meta.label_lower.replace('.', '_')}"


def find_path(patterns, view):
    """Return a path that Django routes to ``view``, or None."""
    parts = [normalize(pattern.regex.pattern)[0] for pattern in patterns]
    template = "/" + "".join(text for text, _ in parts)
    names = {name for _, names in parts for name in names}
    for values in product(ARGUMENTS, repeat=len(names)):
        with suppress(Resolver404, ValueError):  # ValueError: a percent sign in the route.
            path = template % dict(zip(names, values, strict=True))
            if resolve(path).func is view:
                return path
    return None


# If two routes are equal, keep the first: Django never reaches the second.
ROUTES = dict(reversed([*find_routes(get_resolver())]))
ADMINS = {*find_admins()}


@pytest.mark.parametrize("route", sorted(ROUTES.keys() - SKIPPED))
def test_each_url_is_answered(admin_client, route):
    path = find_path(*ROUTES[route])
    assert path, (
        "No path leads to this view. Add an argument to ARGUMENTS or the route to SKIPPED, "
        "or move the route before one that matches the same paths."
    )
    response = admin_client.get(path)
    assert response.status_code < 500
    assert {"Content-Security-Policy", "Permissions-Policy"} <= response.headers.keys()


@pytest.mark.parametrize("name", sorted(ADMINS - SKIPPED))
def test_each_admin_page_opens(admin_client, name):
    for path in (reverse(f"{name}_changelist") + "?q=a", reverse(f"{name}_add")):
        # 403: the admin forbids the page to everybody.
        assert admin_client.get(path).status_code in {200, 302, 403}


def test_everything_skipped_exists():
    assert {*ROUTES, *ADMINS} >= SKIPPED


@pytest.mark.django_db
def test_no_migration_is_missing():
    # Name the apps: without names, Django ignores apps that have models but no migrations at all.
    ours = [app.label for app in apps.get_app_configs() if app.name.startswith("apps.")]
    call_command("makemigrations", *ours, check=True, dry_run=True)
