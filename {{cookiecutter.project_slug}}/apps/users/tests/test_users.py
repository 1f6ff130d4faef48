from django.core import serializers
from django.test import override_settings
from django.urls import reverse

from apps.users.models import Profile, User
from apps.users.tests.factories import UserFactory
from common.testing import TestCase


@override_settings(SUSPEND_SIGNALS=False)
class ProfileTests(TestCase):
    def test_a_new_user_gets_a_profile_and_no_second_one_when_saved_again(self):
        user = UserFactory(username="ada")
        user.save()
        assert str(Profile.objects.get()) == "ada"

    def test_loading_a_fixture_creates_no_second_profile(self):
        user = UserFactory()
        Profile.objects.update(display_name="Ada")
        fixture = serializers.serialize("json", [user, Profile.objects.get()])
        user.delete()

        for loaded in serializers.deserialize("json", fixture):
            loaded.save()

        assert Profile.objects.get().display_name == "Ada"

    @override_settings(SUSPEND_SIGNALS=True)
    def test_a_new_user_gets_no_profile_while_signals_are_suspended(self):
        UserFactory()
        assert not Profile.objects.exists()

    def test_a_user_cannot_have_two_profiles(self):
        self.assertIntegrityError(Profile.objects.create, user=UserFactory(), fields=["user"])

    def test_a_profile_with_a_display_name_is_shown_by_it(self):
        assert str(Profile(user=User(username="ada"), display_name="Ada L.")) == "Ada L."


def test_the_admin_page_of_a_user_contains_the_profile(admin_client, admin_user):
    page = admin_client.get(reverse("admin:users_user_change", args=[admin_user.pk]))
    assert b"profile-0-display_name" in page.content


def test_the_admin_page_that_adds_a_user_leaves_the_profile_to_the_receiver(admin_client, settings):
    settings.SUSPEND_SIGNALS = False
    url = reverse("admin:users_user_add")
    assert b"display_name" not in admin_client.get(url).content
    password = "correct horse battery"
    data = {"username": "grace", "password1": password, "password2": password}
    admin_client.post(url, {**data, "usable_password": "true"})
    assert Profile.objects.filter(user__username="grace").count() == 1
