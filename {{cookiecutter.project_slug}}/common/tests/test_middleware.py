"""How to test a middleware, here ``/healthz``, and that MiddlewareTestCase works on this Django."""

from unittest.mock import patch

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import MiddlewareNotUsed
from django.db import connection
from django.http import Http404, HttpResponse

from common.health import ProbesMiddleware
from common.testing import MiddlewareTestCase


def raising(exception):
    def function(*args):
        raise exception

    return function


class ProbesMiddlewareTests(MiddlewareTestCase):
    middleware = ProbesMiddleware
    databases = {"default"}

    def test_healthz_is_ok_while_the_database_responds(self):
        response = self.assertShortCircuits(self.make_request("/healthz"), status_code=200)
        assert response.content == b"ok\n"

    def test_other_paths_reach_the_view(self):
        self.assertPassesThrough(self.make_request("/other/healthz"))

    def test_view_that_raises_gives_an_error_response_in_each_mode(self):
        for mode in ("sync", "async"):
            run = self.run_middleware(self.make_request(), view=raising(Http404()), mode=mode)
            assert (run.response.status_code, len(run.view_calls)) == (404, 1)

    def test_coroutine_that_is_never_awaited_fails(self):
        def view(request):
            return HttpResponse(request.auser())

        with pytest.raises(AssertionError, match="lost an await"):
            self.assertPassesThrough(self.make_request(), view=view)


class OtherMiddlewareTests(MiddlewareTestCase):
    def test_session_has_data_and_can_be_saved(self):
        session = self.make_request(session={"cart": [1]}).session
        session.cycle_key()
        assert session.load() == {"cart": [1]}

    def test_user_is_anonymous_or_the_one_given(self):
        self.enterContext(patch.dict(connection.settings_dict, ATOMIC_REQUESTS=True))
        self.middleware = LoginRequiredMiddleware
        self.assertShortCircuits(self.make_request(), status_code=302)
        self.assertPassesThrough(self.make_request(user=get_user_model()()))

    def test_middleware_is_not_used(self):
        self.middleware = raising(MiddlewareNotUsed())
        self.assertNotUsed()
