import factory

from apps.shop.models import Description, Language, Product


class LanguageFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Language
        django_get_or_create = ["code"]

    code = "en"
    name = "English"


class ProductFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Product

    name = factory.Sequence(lambda n: f"Product {n}")
    price = "9.50"


class DescriptionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Description

    product = factory.SubFactory(ProductFactory)
    language = factory.SubFactory(LanguageFactory)
    subtitle = factory.Faker("sentence")
