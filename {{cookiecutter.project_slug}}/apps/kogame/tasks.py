from apps.kogame.models import Score
from common.jobs import task


@task
def save_score(id: str, name: str, score: int, room: str) -> None:
    """Save a score only once: a job may run again after a crash."""
    Score.objects.get_or_create(id=id, defaults={"name": name, "score": score, "room": room})
