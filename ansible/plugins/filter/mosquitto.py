"""The line of a mosquitto password file for a user."""

import base64
import hashlib
from typing import Any

DOCUMENTATION = """
name: mosquitto_password
short_description: A user's line of a mosquitto password file
description:
  - PBKDF2 with SHA-512 as mosquitto_passwd writes it. The salt comes from name and password, so that a
    password which has not changed gives the line which is there.
  - Of use for long random passwords alone, such as C(ansible.builtin.password) makes; 101 rounds are few.
options:
  _input: {description: The password., type: str, required: true}
  user: {description: The user's name., type: str, required: true}
"""
ROUNDS = 101


def mosquitto_password(password: str, user: str) -> str:
    """``user:$7$rounds$salt$hash``."""
    salt = hashlib.sha256(f"{user}\0{password}".encode()).digest()[:12]
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    parts = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{user}:$7${ROUNDS}$" + "$".join(parts)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """The filter by its name."""
        return {"mosquitto_password": mosquitto_password}
