"""What may vary: one YAML file a method, its schema and its loader."""
