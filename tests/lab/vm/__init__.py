"""Virtual machines of a lab, for what the machine's own kernel lacks: quotas of XFS, and NFS."""
