"""How to test pages: with Django's own client."""

from django.urls import reverse

from apps.shop.tests.factories import DescriptionFactory, ProductFactory
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

    def test_without_products_it_says_how_to_add_one(self):
        self.assertContains(self.client.get("/"), reverse("admin:shop_product_add"))

    def test_more_products_are_no_more_queries(self):
        for count in (1, 5):
            DescriptionFactory.create_batch(count)
            with self.assertNumQueries(4):  # the count, products, descriptions, languages
                self.client.get("/")

    def test_many_products_come_in_pages(self):
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

    def test_the_visitor_stays_on_the_page(self):
        url = reverse("shop:stash-product", args=[ProductFactory().pk])
        self.assertRedirects(self.client.post(f"{url}?page=1"), "/?page=1")

    def test_a_product_that_was_deleted_is_not_counted_and_can_be_put_back(self):
        product = ProductFactory()
        url = reverse("shop:stash-product", args=[product.pk])
        self.client.post(url)
        product.delete()
        self.assertNotContains(self.client.get("/"), "You have set")
        assert self.client.post(url).status_code == 302
        assert self.client.session["stashed_data"] == {"products": []}

    def test_a_product_that_does_not_exist_is_not_found(self):
        assert self.client.post(reverse("shop:stash-product", args=[1])).status_code == 404
