"""TOML -> model, with errors that say file, key path, what was found and what is wanted."""
