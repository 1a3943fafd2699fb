"""What child processes are started with: memory in pages of 2 MiB, and no modules from the working directory."""

from __future__ import annotations

__all__ = ["HUGE_PAGES", "SAFE_PATH"]

HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Environment that makes glibc's malloc ask for huge pages; the kernel gives them where it has them on request.
malloc maps and unmaps large arrays again and again, which otherwise costs tens of thousands of page faults a second: a
tenth of a training step of ResNet-18, and of the time to decode an image. What the user has set stays."""

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Environment in which no Python, also none that a library starts, puts the working directory at the head of its
path: a file there named like a module would be executed in its place."""
