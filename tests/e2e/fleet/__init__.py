"""Two servers, each its own NAS, the second of which joined a server with customers; on a lab of its own."""
