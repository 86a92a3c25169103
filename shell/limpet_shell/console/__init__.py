"""The remote shell."""
