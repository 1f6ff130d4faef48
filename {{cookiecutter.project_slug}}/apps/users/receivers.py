from typing import Any

from django.conf import settings
from django.db.models.signals import post_save

from apps.users.models import Profile, User
from common.signals import suspending_receiver


@suspending_receiver(post_save, sender=settings.AUTH_USER_MODEL)
def create_profile(
    sender: type[User],
    instance: User,
    created: bool,
    raw: bool,
    using: str,
    **kwargs: Any,
) -> None:
    """Create a profile for each new user. Fixtures (``raw``) contain their own profiles."""
    if created and not raw:
        Profile.objects.using(using).create(user=instance)
