from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sealing', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='keycheck',
            name='key_fingerprint',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=8),
        ),
    ]
