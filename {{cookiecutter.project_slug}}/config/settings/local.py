"""Development: debug pages, any local host, a key that is not a secret."""

from config.mail import mail_settings
from config.settings.base import *
from config.settings.base import env

# jinja: if cookiecutter.static_files == "whitenoise"
# Before staticfiles, so that runserver serves assets as production does.
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
DEBUG = True
SECRET_KEY = env.str("SECRET_KEY", default="insecure-key-for-development-only")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", ".localhost"]

# Mail is printed.
globals().update(mail_settings(env.str("EMAIL_URL", default="consolemail://")))
