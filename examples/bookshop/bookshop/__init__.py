"""A small bookshop.

web         the ASGI site: books, carts, orders, /health
worker      ships what has been ordered
shop        what a bookshop does, on a database session; web and worker stand on it
models      the tables
database    engine and sessions; SQLite by default, PostgreSQL by DATABASE_URL
observed    logs, events, metrics and health, if Limpet is there
settings    where they come from: Limpet's configuration, or the environment
tasks       what an operator calls on the running shop: `limpet rpc bookshop.tasks:reprice ISBN CENTS`
release     what a deployment calls: migrate(), rollback(version)
"""
