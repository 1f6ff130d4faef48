from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from apps.users.models import Profile, User


class ProfileInline(admin.StackedInline):
    model = Profile
    can_delete = False
    max_num = 0  # receivers.create_profile creates the profile.


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    inlines = [ProfileInline]
