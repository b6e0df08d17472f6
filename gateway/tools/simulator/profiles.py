"""The providers that can be simulated, by the name that an account's profile has."""

from collections.abc import Mapping

from . import generic, sinch, vibes
from .profile import Profile

PROFILES: Mapping[str, Profile] = {module.PROFILE.name: module.PROFILE for module in (sinch, vibes, generic)}
