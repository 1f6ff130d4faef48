"""How to test constraints and receivers.

``assertIntegrityError`` runs its block in a savepoint, so that the test can run queries afterwards.
``SUSPEND_SIGNALS`` suspends receivers or not, for a class, a method or a block.
"""

from django.db.models.signals import post_save
from django.test import override_settings

from apps.shop.models import Description, Product
from apps.shop.receivers import stamp_product
from apps.shop.tests.factories import DescriptionFactory, LanguageFactory, ProductFactory
from common.testing import TestCase


class ConstraintTests(TestCase):
    def test_a_product_cannot_have_two_descriptions_in_one_language(self):
        english = DescriptionFactory()

        with self.assertIntegrityError(fields=["product", "language"]):
            DescriptionFactory(product=english.product, language=english.language)

        # Queries still work here. After assertRaises, they would raise an error.
        assert Description.objects.get() == english

    def test_a_language_in_use_cannot_be_deleted(self):
        self.assertIntegrityError(DescriptionFactory().language.delete)

    def test_a_price_cannot_be_negative(self):
        # assertIntegrityError also takes a callable, and the name of the constraint.
        self.assertIntegrityError(
            ProductFactory, price="-0.01", constraint="shop_product_price_not_negative"
        )


def test_each_model_is_shown_by_its_name():
    assert str(ProductFactory.build(name="Kettle")) == "Kettle"
    assert str(LanguageFactory.build(name="English")) == "English"
    assert str(DescriptionFactory.build(subtitle="Boils water")) == "Boils water"


@override_settings(SUSPEND_SIGNALS=True)
class StampProductTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.description = DescriptionFactory()

    def is_stamped(self):
        return Product.objects.get().described_at is not None

    @override_settings(SUSPEND_SIGNALS=False)
    def test_saving_a_description_stamps_the_product(self):
        self.description.save()
        assert self.is_stamped()

    @override_settings(SUSPEND_SIGNALS=False)
    def test_deleting_a_description_stamps_the_product(self):
        self.description.delete()
        assert self.is_stamped()

    def test_a_suspended_receiver_is_not_connected_and_can_be_called_directly(self):
        self.description.save()
        assert not self.is_stamped()
        assert not post_save.has_listeners(Description)

        stamp_product(sender=Description, instance=self.description, using="default")
        assert self.is_stamped()
