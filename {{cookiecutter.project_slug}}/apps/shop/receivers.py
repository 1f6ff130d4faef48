from typing import Any

from django.db.models.functions import Now
from django.db.models.signals import post_delete, post_save

from apps.shop.models import Description, Product
from common.signals import suspending_receiver


@suspending_receiver([post_save, post_delete], sender=Description)
def stamp_product(
    sender: type[Description], instance: Description, using: str, **kwargs: Any
) -> None:
    """Set ``described_at`` of the product to the current time."""
    Product.objects.using(using).filter(pk=instance.product_id).update(described_at=Now())
