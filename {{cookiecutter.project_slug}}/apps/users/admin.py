from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest

from apps.users.models import Profile, User


class ProfileInline(admin.StackedInline):
    model = Profile
    can_delete = False


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[Any]:
        """Show no profile on the page that adds a user: ``receivers.create_profile`` creates it."""
        return [ProfileInline] if obj else []
