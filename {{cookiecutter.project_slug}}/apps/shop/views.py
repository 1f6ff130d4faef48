from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST
from django.views.generic import ListView

from apps.shop.middleware import StashRequest
from apps.shop.models import Product


class ProductListView(ListView):
    paginate_by = 24
    request: StashRequest

    def get_queryset(self) -> QuerySet[Product]:
        return Product.objects.prefetch_related("descriptions__language")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        stashed = Product.objects.filter(pk__in=getattr(self.request.stash, "products", []))
        return super().get_context_data(**kwargs, stashed={product.pk for product in stashed})


@require_POST
def stash_product(request: StashRequest, pk: int) -> HttpResponse:
    """Set a product aside, or put it back when it was."""
    stashed = {*getattr(request.stash, "products", [])}
    if pk not in stashed:
        get_object_or_404(Product, pk=pk)
    request.stash.products = sorted(stashed ^ {pk})
    return redirect(f"{reverse('shop:product-list')}?{request.GET.urlencode()}")
