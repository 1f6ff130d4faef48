"""Found by ``common.realtime.edge``, as that of each app is."""

from importlib.util import find_spec

websocket_urlpatterns = []
if find_spec("channels"):  # in bakes with realtime
    from common_tests.realtime_rooms import websocket_urlpatterns  # noqa: F401
