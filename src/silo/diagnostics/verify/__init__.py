"""Whether what is promised to each tenant holds, looked at from outside."""
