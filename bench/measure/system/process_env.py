"""What a process that works on large arrays is started with, so that its memory comes in pages of 2 MiB."""

from __future__ import annotations

__all__ = ["HUGE_PAGES"]

HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Environment that makes glibc's malloc ask for huge pages; the kernel gives them where it has them on request.
malloc maps and unmaps large arrays again and again, which otherwise costs tens of thousands of page faults a second: a
tenth of a training step of ResNet-18, and of the time to decode an image. What the user has set stays."""
