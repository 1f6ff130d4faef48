"""How to test constraints and receivers.

``assertIntegrityError`` runs its block in a savepoint, so that the test can run queries afterwards.
``SUSPEND_SIGNALS`` suspends receivers or not, for a class, a method or a block.
"""

from django.db.models.signals import post_save
from django.test import override_settings

from apps.shop.models import Description
from apps.shop.receivers import stamp_product
from apps.shop.tests.factories import DescriptionFactory, LanguageFactory, ProductFactory
from common.testing import TestCase


class DescriptionTests(TestCase):
    def test_a_product_cannot_have_two_descriptions_in_one_language(self):
        english = DescriptionFactory()

        with self.assertIntegrityError(fields=["product", "language"]):
            DescriptionFactory(product=english.product, language=english.language)

        # Queries still work here. After assertRaises, they would raise an error.
        assert Description.objects.get() == english

    def test_a_product_can_have_descriptions_in_several_languages(self):
        english = DescriptionFactory()
        german = DescriptionFactory(
            product=english.product, language=LanguageFactory(code="de", name="Deutsch")
        )
        assert {*english.product.descriptions.all()} == {english, german}

    def test_a_language_in_use_cannot_be_deleted(self):
        self.assertIntegrityError(DescriptionFactory().language.delete)


class ProductTests(TestCase):
    def test_a_price_cannot_be_negative(self):
        # assertIntegrityError also takes a callable, and the name of the constraint.
        self.assertIntegrityError(
            ProductFactory, price="-0.01", constraint="shop_product_price_not_negative"
        )

    def test_each_model_is_shown_by_its_name(self):
        assert str(ProductFactory(name="Kettle")) == "Kettle"
        assert str(LanguageFactory(name="English")) == "English"
        assert str(DescriptionFactory(subtitle="Boils water")) == "Boils water"


class StampProductTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.product = ProductFactory()

    @override_settings(SUSPEND_SIGNALS=False)
    def test_a_new_description_stamps_the_product(self):
        DescriptionFactory(product=self.product)

        self.product.refresh_from_db()
        assert self.product.described_at is not None

    @override_settings(SUSPEND_SIGNALS=False)
    def test_a_deleted_description_stamps_the_product(self):
        with self.settings(SUSPEND_SIGNALS=True):
            description = DescriptionFactory(product=self.product)
        description.delete()

        self.product.refresh_from_db()
        assert self.product.described_at is not None

    @override_settings(SUSPEND_SIGNALS=True)
    def test_the_receiver_is_not_connected_while_signals_are_suspended(self):
        DescriptionFactory(product=self.product)

        self.product.refresh_from_db()
        assert self.product.described_at is None
        assert not post_save.has_listeners(Description)

    @override_settings(SUSPEND_SIGNALS=True)
    def test_a_suspended_receiver_can_be_called_directly(self):
        description = DescriptionFactory(product=self.product)

        stamp_product(sender=Description, instance=description, using="default")

        self.product.refresh_from_db()
        assert self.product.described_at is not None
