"""Scheduling decides which trial comes next, and which trial goes on."""
