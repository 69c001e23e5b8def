import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('integrations', '0004_grant_incident'),
    ]

    operations = [
        migrations.AlterField(
            model_name='connection',
            name='integration',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='connections', to='integrations.integration'),
        ),
        migrations.AlterField(
            model_name='connection',
            name='partner',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='connections', to='accounts.partner'),
        ),
        migrations.AddIndex(
            model_name='connection',
            index=models.Index(fields=['-created_at', '-id'], name='connection_newest'),
        ),
        migrations.AddIndex(
            model_name='connection',
            index=models.Index(fields=['status', 'partner', '-created_at'], name='connection_by_status'),
        ),
        migrations.AddIndex(
            model_name='connection',
            index=models.Index(condition=models.Q(('connected_at__isnull', False), ('disconnected_at__isnull', True), ('is_identity_known', False)), fields=['identity_next_try_at'], name='connection_identity_unknown'),
        ),
        migrations.AddIndex(
            model_name='connection',
            index=models.Index(condition=models.Q(('refresh_not_before__isnull', False)), fields=['client'], name='connection_backing_off'),
        ),
    ]
