"""What makes a controller replaceable: its backup, the restore of it, and a tenant's vault made again."""
