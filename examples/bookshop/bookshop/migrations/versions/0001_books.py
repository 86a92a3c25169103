"""Books, and the first of them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    books = op.create_table(
        "books",
        sa.Column("isbn", sa.String(13), primary_key=True),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("cents", sa.Integer, nullable=False),
        sa.Column("stock", sa.Integer, nullable=False),
    )
    op.bulk_insert(
        books,
        [
            {"isbn": isbn, "title": title, "author": author, "cents": cents, "stock": 100}
            for isbn, title, author, cents in (
                ("9780262510875", "Structure and Interpretation of Computer Programs", "Abelson", 5900),
                ("9781937785536", "Programming Erlang", "Joe Armstrong", 4200),
                ("9781617295027", "Elixir in Action", "Saša Jurić", 4499),
                ("9781449355739", "Learning Python", "Mark Lutz", 6499),
                ("9780131103627", "The C Programming Language", "Kernighan, Ritchie", 6599),
            )
        ],
    )


def downgrade() -> None:
    op.drop_table("books")
