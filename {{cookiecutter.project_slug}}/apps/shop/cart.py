"""The cart: the products that a visitor wants to buy, kept in the session.

    session["cart"] = {
        "items": {"7": 2},  # two of product 7
        "changed_at": "2026-11-21T09:30:00+00:00",
        "reminded_at": None,
    }

Any change of the items removes the mark ``reminded_at``. The functions take the session of a
request or of ``edit_session``; those that only read also take a dict of its data.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.shop.models import Product
from common.sessions import SessionBase

SESSION_KEY = "cart"


def items(session: SessionBase | Mapping[str, Any]) -> dict[int, int]:
    """Return the count of each product by its primary key."""
    cart = session.get(SESSION_KEY) or {"items": {}}
    return {int(pk): count for pk, count in cart["items"].items()}


def lines(session: SessionBase | Mapping[str, Any]) -> list[tuple[Product, int]]:
    """Return the products that are still sold, each with its count."""
    counts = items(session)
    return [(product, counts[product.pk]) for product in Product.objects.filter(pk__in=counts)]


def add(session: SessionBase, pk: int) -> None:
    found = items(session)
    _change(session, found | {pk: found.get(pk, 0) + 1})


def remove(session: SessionBase, pk: int) -> None:
    """Remove all of a product; change nothing if the cart has none."""
    found = items(session)
    if found.pop(pk, None):
        _change(session, found)


def _change(session: SessionBase, changed: dict[int, int]) -> None:
    session[SESSION_KEY] = {
        "items": {str(pk): count for pk, count in changed.items()},  # JSON keys are strings
        "changed_at": timezone.now().isoformat(),
        "reminded_at": None,
    }


def is_abandoned(session: SessionBase | Mapping[str, Any], since: datetime) -> bool:
    """Return True if the cart has items, was last changed at or before ``since``, and has no mark."""
    cart = session.get(SESSION_KEY)
    return bool(
        cart
        and cart["items"]
        and not cart["reminded_at"]
        and datetime.fromisoformat(cart["changed_at"]) <= since
    )


def mark_reminded(session: SessionBase) -> dict[str, Any]:
    """Mark the cart, and return it."""
    marked: dict[str, Any] = session[SESSION_KEY] | {"reminded_at": timezone.now().isoformat()}
    session[SESSION_KEY] = marked
    return marked
