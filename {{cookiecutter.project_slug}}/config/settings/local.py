"""Development: debug pages, local hosts, a secret key that is not secret, mail that is printed."""

from config.settings.base import *
from config.settings.base import env, mailer

# jinja: if cookiecutter.static_files == "whitenoise"
# Before staticfiles: runserver then serves assets by WhiteNoise, as production does.
INSTALLED_APPS = ["whitenoise.runserver_nostatic", *INSTALLED_APPS]

# jinja: endif
# jinja: if cookiecutter.database == "postgresql"
if not env.str("DATABASE_URL", default=""):
    DATABASES = {
        "default": {
            "ENGINE": "common.postgresql",  # a private server
            "NAME": "postgres",
            "HOST": str(BASE_DIR / ".postgresql"),  # its data
        }
    }

# jinja: endif
# Without EMAIL_URL, mail is printed.
MAILER = mailer("consolemail://")
# jinja: if cookiecutter.django_version == "5.2"
EMAIL_BACKEND = MAILER["BACKEND"]
# jinja: else
MAILERS = {"default": MAILER}
# jinja: endif

DEBUG = True
SECRET_KEY = env.str("SECRET_KEY", default="insecure-key-for-development-only")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", ".localhost"]
