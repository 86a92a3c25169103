"""Effects on Linux; each module is one kind of effect, and none knows the policy."""
