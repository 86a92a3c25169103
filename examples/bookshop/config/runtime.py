"""Evaluated at every boot, before anything starts; the processes read it with limpet.config.get()."""

from limpet.config import config, config_env, env, secret

if config_env() == "prod":
    database_url = env("DATABASE_URL")
    secret_key_base = env("SECRET_KEY_BASE")
else:
    database_url = env("DATABASE_URL", "sqlite:///var/bookshop.db")
    secret_key_base = env("SECRET_KEY_BASE", "for development only")

config("bookshop", "repo", url=secret(database_url), pool_size=env.int("POOL_SIZE", 5))
config("bookshop", "endpoint", secret_key_base=secret(secret_key_base))
config("bookshop", "worker", every=env.duration("WORKER_EVERY", "1s"))
