"""What all services of the team share."""

from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "common"
    default = True

    def ready(self) -> None:
        from common import checks  # noqa: F401 -- importing registers the checks


class CommonTestsConfig(AppConfig):
    """The models that the tests of ``common`` need: in the test settings only."""

    name = "common.tests"
    label = "common_tests"
