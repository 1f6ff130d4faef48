"""The whole service, once over: each admin page opens, each URL is answered, no migration is missing.

What you add to the admin and to the URLs is part of it at once. What cannot answer here, for want of another
service, goes into SKIPPED, and gets tests of its own in its app.
"""

from contextlib import suppress
from itertools import islice, product
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.admin.sites import all_sites
from django.core.management import call_command
from django.urls import NoReverseMatch, Resolver404, URLResolver, get_resolver, resolve, reverse
from django.utils.regex_helper import normalize

SKIPPED = set()  # routes and admin pages, as pytest prints them
# What stands for the arguments of routes, tried in turn.
ARGUMENTS = ["1", "a", "2000", str(UUID(int=1)), *(app.label for app in apps.get_app_configs())]


def find_routes(resolver, *parents):
    """Yield each route with its patterns, from the outermost to the view's own, and the view."""
    for found in resolver.url_patterns:
        patterns = [*parents, found.pattern]
        if isinstance(found, URLResolver):
            yield from find_routes(found, *patterns)
        else:
            yield "/" + "".join(map(str, patterns)), (patterns, found.callback)


def find_admins():
    for site in sorted(all_sites, key=lambda site: site.name):
        with suppress(NoReverseMatch):  # It is not in the URLs.
            reverse(f"{site.name}:index")
            for model in site._registry:
                yield f"{site.name}:{model._meta.label}", (site, model)


# Of a route that is there twice, the first is the one that is answered.
ROUTES = dict(reversed([*find_routes(get_resolver())]))
ADMINS = dict(find_admins())


def paths(pattern):
    """Yield text that ``pattern`` matches."""
    for text, names in normalize(pattern.regex.pattern):
        for values in product(ARGUMENTS, repeat=len(names)):
            with suppress(ValueError):  # a percent sign that is none of normalize()
                path = text % dict(zip(names, values, strict=True))
                if pattern.match(path):
                    yield path


def is_view_of(path, view):
    with suppress(Resolver404):
        return resolve(path).func is view
    return False


@pytest.mark.parametrize("route", sorted(ROUTES.keys() - SKIPPED))
def test_each_url_is_answered(admin_client, route):
    patterns, view = ROUTES[route]
    tried = ["/" + "".join(parts) for parts in islice(product(*map(paths, patterns)), 500)]
    path = next((path for path in tried if is_view_of(path, view)), None)
    assert path, (
        f"An earlier route takes all of {tried}."
        if tried
        else "Nothing matches: add an argument to ARGUMENTS, or the route to SKIPPED."
    )
    assert admin_client.get(path).status_code < 500  # Not found is an answer; to crash is none.


@pytest.mark.parametrize("page", sorted(ADMINS.keys() - SKIPPED))
def test_each_admin_page_opens(admin_client, admin_user, rf, page):
    site, model = ADMINS[page]
    request = rf.get("/")
    request.user = admin_user
    model_admin = site.get_model_admin(model)
    name = f"{site.name}:{model._meta.app_label}_{model._meta.model_name}"

    for query in ({}, {"q": "a"}):
        response = admin_client.get(reverse(f"{name}_changelist"), query)
        assert response.status_code < 400 or not model_admin.has_view_permission(request)
    response = admin_client.get(reverse(f"{name}_add"))
    assert response.status_code < 400 or not model_admin.has_add_permission(request)


def test_what_is_skipped_is_there():
    assert {*ROUTES, *ADMINS} >= SKIPPED


@pytest.mark.django_db
def test_no_migration_is_missing():
    # By name: without, Django ignores an app that has models and no migrations at all.
    ours = [app.label for app in apps.get_app_configs() if app.name.startswith("apps.")]
    call_command("makemigrations", *ours, check=True, dry_run=True)
