"""An inventory from nothing: the answers of an operator, what a server says of itself, and a repository with both."""
