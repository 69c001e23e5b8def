from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('proxy', '0002_receipts'),
    ]

    operations = [
        migrations.AddField(
            model_name='receipt',
            name='begun_at',
            field=models.DateTimeField(blank=True, help_text='When it was first taken up.', null=True),
        ),
        migrations.RemoveIndex(
            model_name='receipt',
            name='receipt_by_partner',
        ),
        migrations.AddIndex(
            model_name='receipt',
            index=models.Index(fields=['partner', 'state', 'kept_bytes', 'expires_at'], name='receipt_by_partner'),
        ),
    ]
