"""Our own limits."""

import resource


def raise_file_limit() -> tuple[int, int]:
    """Raises our soft limit of descriptors to the hard one; returns both as they were, for our children."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    return before
