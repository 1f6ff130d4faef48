"""How to test a middleware without a client: no database, no URLs, and both the sync and the async mode."""

from django.http import HttpResponse

from apps.shop.middleware import Stash, StashMiddleware
from common.testing import MiddlewareTestCase


class StashMiddlewareTests(MiddlewareTestCase):
    middleware = StashMiddleware

    def test_without_stashed_data_the_stash_is_empty(self):
        request = self.make_request()
        self.assertPassesThrough(request)
        assert request.stash == Stash()
        assert not request.session.modified

    def test_stashed_data_is_set_on_the_request(self):
        request = self.make_request(session={"stashed_data": {"foo": "bar"}})
        self.assertPassesThrough(request)
        assert isinstance(request.stash, Stash)

    def test_every_stashed_value_is_an_attribute(self):
        request = self.make_request(session={"stashed_data": {"foo": "bar", "products": [1, 2]}})
        self.assertPassesThrough(request)
        assert (request.stash.foo, request.stash.products) == ("bar", [1, 2])

    def test_what_a_view_stashes_is_written_back(self):
        def view(request):
            request.stash.products.append(3)
            return HttpResponse()

        # The assertions leave the result of the sync mode on the request: look at each.
        for mode in ("sync", "async"):
            request = self.make_request(session={"stashed_data": {"products": [1]}})
            self.run_middleware(request, view=view, mode=mode)
            assert request.session["stashed_data"] == {"products": [1, 3]}
            assert request.session.modified

    def test_an_unchanged_stash_does_not_touch_the_session(self):
        request = self.make_request(session={"stashed_data": {"foo": "bar"}})
        self.assertPassesThrough(request)
        assert not request.session.modified
