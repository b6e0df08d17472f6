"""Optus (Modica): their MM7 documents. Their examples have the SOAP namespace with https; callbacks come with Basic."""

from gateway import mm7

from .profile import Profile

PROFILE = Profile(title="Optus (Modica)", mm7_version="5.3.0", namespaces={"5.3.0": mm7.REL_5_1_2})
