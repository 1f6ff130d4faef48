from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django.views.generic import ListView

from apps.shop import cart
from apps.shop.middleware import StashRequest
from apps.shop.models import Product


class ProductListView(ListView):
    paginate_by = 24
    request: StashRequest

    def get_queryset(self) -> QuerySet[Product]:
        products = Product.objects.prefetch_related("descriptions__language")
        if self.request.GET.get("aside"):
            return products.filter(pk__in=getattr(self.request.stash, "products", []))
        return products

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        stashed = Product.objects.filter(pk__in=getattr(self.request.stash, "products", []))
        return super().get_context_data(
            **kwargs,
            stashed={product.pk for product in stashed},
            in_cart=sum(count for _, count in cart.lines(self.request.session)),
        )


def back_to_product(request: HttpRequest, pk: int) -> HttpResponse:
    # A page of what is set aside may be gone after the click.
    query = "aside=1" if "aside" in request.GET else request.GET.urlencode()
    return redirect(f"{reverse('shop:product-list')}?{query}#product-{pk}")


@require_POST
def stash_product(request: StashRequest, pk: int) -> HttpResponse:
    """Add the product to the stash, or remove it if the stash contains it."""
    stashed = {*getattr(request.stash, "products", [])}
    if pk not in stashed:
        get_object_or_404(Product, pk=pk)
    request.stash.products = sorted(stashed ^ {pk})
    return back_to_product(request, pk)


@require_safe
def show_cart(request: HttpRequest) -> HttpResponse:
    lines = [
        (product, count, product.price * count) for product, count in cart.lines(request.session)
    ]
    total = sum(price for _, _, price in lines)
    return render(request, "shop/cart.html", {"lines": lines, "total": total})


@require_POST
def add_to_cart(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(Product, pk=pk)
    cart.add(request.session, pk)
    return back_to_product(request, pk)


@require_POST
def remove_from_cart(request: HttpRequest, pk: int) -> HttpResponse:
    cart.remove(request.session, pk)
    return redirect("shop:cart")
