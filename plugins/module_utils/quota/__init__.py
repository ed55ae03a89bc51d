"""Hard limits for directories, whatever the file system: one interface, one back end for each."""
