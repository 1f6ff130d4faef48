import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Score",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=16)),
                ("score", models.PositiveIntegerField()),
                ("room", models.CharField(max_length=32)),
                ("created", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["-score", "created"],
                "indexes": [models.Index(fields=["-score", "created"], name="kogame_score_best")],
            },
        ),
    ]
