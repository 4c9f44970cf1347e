"""Secrets that were pasted into a study file, found before anything stores or prints them."""

from __future__ import annotations

import re

_ENVIRONMENT = "keep it in an environment variable"
_PATTERNS = [
    (
        "credentials in a URI",
        r"\w://[^/\s:@]*:[^/\s@]+@|https?://[^/\s@]+@",
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment instead",
    ),
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----", _ENVIRONMENT),
    ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}", _ENVIRONMENT),
    ("a GitLab token", r"\bglpat-[\w-]{20,}", _ENVIRONMENT),
    ("an AWS access key", r"\b(AKIA|ASIA)[0-9A-Z]{16}\b", _ENVIRONMENT),
    ("a Google API key", r"\bAIza[\w-]{35}", _ENVIRONMENT),
    ("a Slack token", r"\bxox[abprs]-[\w-]{10,}", _ENVIRONMENT),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}", _ENVIRONMENT),
    ("an API key", r"\bsk-[\w-]{20,}", _ENVIRONMENT),
]


def find_secrets(text: str) -> list[tuple[int, str]]:
    """Line and advice for each line of ``text`` that seems to hold a secret; never the secret."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern, advice in _PATTERNS:
            if re.search(pattern, line):
                found.append((number, f"holds what looks like {what}; remove it and {advice}"))
                break
    return found
