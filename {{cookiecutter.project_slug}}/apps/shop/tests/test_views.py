"""How to test pages with Django's test client. The cart has no client: it needs only a session."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from apps.shop import cart
from apps.shop.tests.factories import DescriptionFactory, ProductFactory
from common.sessions import session_store
from common.testing import TestCase


class ProductListTests(TestCase):
    def test_each_product_is_listed_with_its_price_and_descriptions(self):
        DescriptionFactory(
            product__name="Kettle & co", product__price="19.90", subtitle="Boils water"
        )
        response = self.client.get("/")
        self.assertContains(response, "Kettle &amp; co")
        self.assertContains(response, "19.90")
        self.assertContains(response, "Boils water")

    def test_without_products_the_page_says_how_to_add_one(self):
        self.assertContains(self.client.get("/"), "Add the first one in the admin")

    def test_more_products_take_no_more_queries(self):
        for count in (1, 5):
            DescriptionFactory.create_batch(count)
            with self.assertNumQueries(4):  # the count, products, descriptions, languages
                self.client.get("/")

    def test_many_products_are_listed_in_pages(self):
        ProductFactory.create_batch(25)
        self.assertContains(self.client.get("/"), "1 of 2")
        self.assertContains(self.client.get("/?page=2"), "2 of 2")


class StashProductTests(TestCase):
    def test_a_product_is_set_aside_and_put_back(self):
        url = reverse("shop:stash-product", args=[ProductFactory().pk])
        set_aside = "You have set 1 product aside."

        self.assertContains(self.client.post(url, follow=True), set_aside)
        self.assertContains(self.client.get("/"), set_aside)
        self.assertNotContains(self.client.post(url, follow=True), set_aside)

    def test_a_deleted_product_is_not_counted_and_can_be_put_back(self):
        product = ProductFactory()
        url = reverse("shop:stash-product", args=[product.pk])
        self.client.post(url)
        product.delete()
        self.assertNotContains(self.client.get("/"), "You have set")
        assert self.client.post(url).status_code == 302
        assert self.client.session["stashed_data"] == {"products": []}


class CartPageTests(TestCase):
    def test_added_products_are_in_the_cart_with_their_total(self):
        kettle = ProductFactory(name="Kettle & co", price="19.90")
        mug = ProductFactory(name="Mug", price="4.50")
        for product in (kettle, mug, mug):
            self.client.post(reverse("shop:add-to-cart", args=[product.pk]))

        self.assertContains(self.client.get("/"), "You have 3 products in your")
        page = self.client.get(reverse("shop:cart"))
        for text in ("1 × Kettle &amp; co", "2 × Mug", "9.00", "28.90"):
            self.assertContains(page, text)

    def test_a_removed_product_is_no_longer_in_the_cart(self):
        product = ProductFactory(name="Mug")
        self.client.post(reverse("shop:add-to-cart", args=[product.pk]))
        page = self.client.post(reverse("shop:remove-from-cart", args=[product.pk]), follow=True)
        self.assertRedirects(page, reverse("shop:cart"))
        self.assertContains(page, "It is empty.")

    def test_buttons_return_to_the_same_page_and_unknown_products_are_not_found(self):
        product = ProductFactory()
        for name in ("shop:add-to-cart", "shop:stash-product"):
            url = reverse(name, args=[product.pk])
            self.assertRedirects(self.client.post(f"{url}?page=1"), "/?page=1")
            assert self.client.get(url).status_code == 405
            assert self.client.post(reverse(name, args=[product.pk + 1])).status_code == 404


class CartTests(TestCase):
    def setUp(self):
        self.session = session_store()

    def test_products_are_counted_and_removed(self):
        for pk in (7, 8, 7):
            cart.add(self.session, pk)
        assert cart.items(self.session) == {7: 2, 8: 1}
        cart.remove(self.session, 7)
        assert cart.items(self.session) == {8: 1}

    def test_removing_a_product_that_is_not_in_the_cart_changes_nothing(self):
        cart.remove(self.session, 7)
        assert not self.session.modified

    def test_deleted_products_are_not_among_the_lines(self):
        kettle, mug = ProductFactory(name="Kettle"), ProductFactory(name="Mug")
        for pk in (kettle.pk, mug.pk, mug.pk):
            cart.add(self.session, pk)
        kettle.delete()
        assert cart.lines(self.session) == [(mug, 2)]

    def test_a_cart_is_abandoned_once_it_has_not_changed_since(self):
        now = timezone.now()
        assert not cart.is_abandoned(self.session, now)
        cart.add(self.session, 7)
        assert not cart.is_abandoned(self.session, now)
        assert cart.is_abandoned(self.session, now + timedelta(hours=1))
        cart.remove(self.session, 7)
        assert not cart.is_abandoned(self.session, now + timedelta(hours=1))

    def test_a_mark_lasts_until_the_cart_changes(self):
        cart.add(self.session, 7)
        cart.mark_reminded(self.session)
        assert not cart.is_abandoned(self.session, timezone.now())
        cart.add(self.session, 7)
        assert cart.is_abandoned(self.session, timezone.now())
