"""The cart, and its page."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from apps.shop import cart
from apps.shop.tests.factories import ProductFactory
from common.sessions import session_store
from common.testing import TestCase


class CartTests(TestCase):
    def setUp(self):
        self.session = session_store()

    def test_without_a_cart_there_is_nothing_in_it(self):
        assert cart.items(self.session) == {}
        assert cart.items({}) == {}
        assert not self.session.modified

    def test_a_product_that_is_added_twice_counts_as_two(self):
        for pk in (7, 8, 7):
            cart.add(self.session, pk)
        assert cart.items(self.session) == {7: 2, 8: 1}
        assert self.session.modified

    def test_to_remove_a_product_takes_all_of_it_out(self):
        for pk in (7, 8, 7):
            cart.add(self.session, pk)
        cart.remove(self.session, 7)
        assert cart.items(self.session) == {8: 1}

    def test_to_remove_what_is_not_there_changes_nothing(self):
        cart.remove(self.session, 7)
        assert not self.session.modified

    def test_products_that_are_gone_are_not_among_the_lines(self):
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

    def test_an_empty_cart_is_not_abandoned(self):
        cart.add(self.session, 7)
        cart.remove(self.session, 7)
        assert not cart.is_abandoned(self.session, timezone.now())

    def test_who_was_reminded_is_so_until_the_cart_changes(self):
        cart.add(self.session, 7)
        cart.mark_reminded(self.session)
        assert not cart.is_abandoned(self.session, timezone.now())
        cart.add(self.session, 7)
        assert cart.is_abandoned(self.session, timezone.now())


class CartPageTests(TestCase):
    def test_what_was_added_is_in_the_cart_with_its_total(self):
        kettle = ProductFactory(name="Kettle & co", price="19.90")
        mug = ProductFactory(name="Mug", price="4.50")
        for product in (kettle, mug, mug):
            self.client.post(reverse("shop:add-to-cart", args=[product.pk]))

        self.assertContains(self.client.get("/"), "You have 3 products in your")
        page = self.client.get(reverse("shop:cart"))
        self.assertContains(page, "1 × Kettle &amp; co")
        self.assertContains(page, "2 × Mug")
        self.assertContains(page, "9.00")
        self.assertContains(page, "28.90")

    def test_what_was_removed_is_in_it_no_longer(self):
        product = ProductFactory(name="Mug")
        self.client.post(reverse("shop:add-to-cart", args=[product.pk]))
        page = self.client.post(reverse("shop:remove-from-cart", args=[product.pk]), follow=True)
        self.assertRedirects(page, reverse("shop:cart"))
        self.assertContains(page, "It is empty.")
        self.assertNotContains(self.client.get("/"), "in your")

    def test_the_visitor_stays_on_the_page_of_the_product(self):
        url = reverse("shop:add-to-cart", args=[ProductFactory().pk])
        self.assertRedirects(self.client.post(f"{url}?page=1"), "/?page=1")

    def test_a_product_that_does_not_exist_is_not_found(self):
        url = reverse("shop:add-to-cart", args=[1])
        assert self.client.post(url).status_code == 404
        assert self.client.get(url).status_code == 405
