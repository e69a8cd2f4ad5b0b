"""What is wrong with an HTTP address, in a few words."""

import http.client
from collections.abc import Container

import requests

IDENTITY = {"Accept-Encoding": "identity"}
"""Compressed on the way, a file has another length, and a part of it cannot be continued."""


def probe(address: str, timeout: float) -> str | None:
    """Whether `address` seems to have a file: None, or in a few words what is wrong.

    Args:
        address: an HTTP address; nothing but its headers is looked at.
        timeout: seconds to connect, and to answer.
    """
    try:
        response = requests.head(address, headers=IDENTITY, timeout=timeout, allow_redirects=True)
        if response.status_code in (403, 405, 501):  # some servers know GET alone
            headers = IDENTITY | {"Range": "bytes=0-0"}
            response = requests.get(address, headers=headers, timeout=timeout, stream=True)
            response.close()
    except requests.RequestException as error:
        return reason_of(error)
    return fault_of(response, range(200, 400))


def fault_of(response: requests.Response, allowed: Container[int]) -> str | None:
    """What an answer's headers say against it, in a few words; None if nothing."""
    if response.status_code not in allowed:
        meaning = http.client.responses.get(response.status_code, "")
        return f"status {response.status_code} {meaning}".rstrip()
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        return "a web page instead of a file"
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return "compressed on the way, against the request"
    return None


def reason_of(error: requests.RequestException) -> str:
    """The failure in a few words; the libraries' own messages are long and nested."""
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"not a usable address ({type(error).__name__})"
