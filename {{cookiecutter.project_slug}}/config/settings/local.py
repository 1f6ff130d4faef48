"""Development: debug pages, any local host, a key that is not a secret."""

from config.settings.base import *
from config.settings.base import env

DEBUG = True
SECRET_KEY = env.str("SECRET_KEY", default="insecure-key-for-development-only")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", ".localhost"]
