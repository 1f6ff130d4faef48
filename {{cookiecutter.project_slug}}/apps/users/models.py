from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Who logs in. A model of our own from the first migration: changing to one later is hard."""


class Profile(models.Model):
    """What we know of a user beyond the login. Made by ``receivers.create_profile``."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    display_name = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return self.display_name or str(self.user)
