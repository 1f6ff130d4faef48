from django.db import models


class Language(models.Model):
    code = models.CharField(max_length=10, unique=True)
    name = models.CharField(max_length=50)

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    # When a description was last saved or deleted. receivers.stamp_product sets it.
    described_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(price__gte=0), name="shop_product_price_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Description(models.Model):
    """The text about a product in one language."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="descriptions")
    language = models.ForeignKey(Language, on_delete=models.PROTECT, related_name="+")
    subtitle = models.CharField(max_length=200)
    body = models.TextField(blank=True)

    class Meta:
        ordering = ["language__code"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "language"], name="shop_description_once_per_language"
            ),
        ]

    def __str__(self) -> str:
        return self.subtitle
