"""The letters to customers: what they say, how they are made a message, and how each is sent once."""
