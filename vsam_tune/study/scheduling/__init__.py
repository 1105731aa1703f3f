"""Which trial comes next, and which trial goes on."""
