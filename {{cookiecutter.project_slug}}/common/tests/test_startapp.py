"""``startapp`` works on this Django, and accepts a name that Django's own command would reject."""

from django.core.management import call_command


def test_startapp_makes_an_app_with_the_model_that_is_named(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    (tmp_path / "apps").mkdir()
    call_command("startapp", "calendar", model="Event")
    assert "class Event(" in (tmp_path / "apps/calendar/models.py").read_text()
