"""The settings of the tests of ``common``: those of a bake's tests, with the models of this folder."""

from config.settings.test import *
from config.settings.test import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "common_tests"]
