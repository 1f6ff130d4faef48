from typing import Any

from django.urls import path, re_path
from django.views.generic import ListView

from apps.kogame.models import Score


class GameView(ListView):
    queryset = Score.objects.all()[:10]
    context_object_name = "scores"
    template_name = "kogame/game.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, room=self.kwargs["room"])


app_name = "kogame"
urlpatterns = [
    path("kogame/", GameView.as_view(), {"room": "lobby"}, name="lobby"),
    re_path(r"^kogame/(?P<room>[a-z0-9-]{1,32})/$", GameView.as_view(), name="room"),
]
