"""Any MMSC that keeps to TS 23.140."""

from .profile import Profile

PROFILE = Profile(title="Generic MM7 (TS 23.140)")
