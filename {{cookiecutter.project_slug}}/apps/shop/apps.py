from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "apps.shop"

    def ready(self) -> None:
        from apps.shop import receivers  # noqa: F401 -- importing connects them
