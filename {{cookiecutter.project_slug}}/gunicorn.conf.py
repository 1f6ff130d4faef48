"""How gunicorn serves the project."""

from config.settings.base import LOGGING

logconfig_dict = LOGGING
