from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A user of the service. The model is our own, because replacing Django's later is hard."""


class Profile(models.Model):
    """Data about a user that the login does not need. Created by ``receivers.create_profile``."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    display_name = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return self.display_name or str(self.user)
