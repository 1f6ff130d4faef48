from django.contrib import admin

from apps.shop.models import Description, Language, Product

admin.site.register(Language)


class DescriptionInline(admin.StackedInline):
    model = Description
    extra = 1


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ["name", "price", "described_at"]
    search_fields = ["name"]
    inlines = [DescriptionInline]
