"""Middleware that several tests of MiddlewareTestCase use."""

from functools import partial

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware


def passing(get_response):
    return lambda request: get_response(request)


def answering(status):
    return lambda get_response: lambda request: HttpResponse(status=status)


def raising(exception):
    return lambda get_response: view_raising(exception)


def view_raising(exception):
    def view(request):
        raise exception

    return view


def in_both(sync, asynchronous=None):
    """Make a middleware for both modes.

    It calls ``sync(request)`` or ``asynchronous(request)``, and the view unless they respond.
    """

    @sync_and_async_middleware
    def middleware(get_response):
        async def in_async(request):
            return (asynchronous or sync)(request) or await get_response(request)

        def in_sync(request):
            return sync(request) or get_response(request)

        return in_async if iscoroutinefunction(get_response) else in_sync

    return middleware


def only_async(middleware):
    """Make an async-only middleware that awaits ``middleware(get_response, request)``."""
    return async_only_middleware(lambda get_response: partial(middleware, get_response))


def setting(**attributes):
    return lambda request: vars(request).update(attributes)


def nothing(request):
    return None


class AsyncClass:
    async_capable = True
    sync_capable = False

    def __init__(self, get_response):
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request):
        return await self.get_response(request)
