"""How to test a middleware without a client, a database or a URLconf, in sync and async mode."""

from django.http import HttpResponse

from apps.shop.middleware import Stash, StashMiddleware
from common.testing import MiddlewareTestCase


class StashMiddlewareTests(MiddlewareTestCase):
    middleware = StashMiddleware

    def test_stash_of_a_new_session_is_empty(self):
        request = self.make_request()
        self.assertPassesThrough(request)
        assert request.stash == Stash()
        assert not request.session.modified

    def test_stash_has_the_data_of_the_session(self):
        request = self.make_request(session={"stashed_data": {"foo": "bar", "products": [1, 2]}})
        self.assertPassesThrough(request)
        assert request.stash == Stash(foo="bar", products=[1, 2])
        assert not request.session.modified

    def test_changed_stash_is_saved_in_the_session(self):
        def view(request):
            request.stash.products.append(3)
            return HttpResponse()

        # An assertion leaves only the result of the sync mode on the request, so run each mode.
        for mode in ("sync", "async"):
            request = self.make_request(session={"stashed_data": {"products": [1]}})
            self.run_middleware(request, view=view, mode=mode)
            assert request.session["stashed_data"] == {"products": [1, 3]}
            assert request.session.modified
