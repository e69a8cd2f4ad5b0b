"""Describe in a few words what is wrong with an HTTP address."""

import http.client
from collections.abc import Container

import requests

IDENTITY = {"Accept-Encoding": "identity"}
"""Asks for no compression: a compressed transfer has another length and cannot be resumed."""


def probe(address: str, timeout: float) -> str | None:
    """Check whether `address` seems to serve a file.

    Args:
        address: an HTTP address; only its headers are requested.
        timeout: seconds to connect, and to wait for a response.

    Returns:
        None, or what is wrong in a few words.
    """
    try:
        response = requests.head(address, headers=IDENTITY, timeout=timeout, allow_redirects=True)
        if response.status_code in (403, 405, 501):  # some servers support only GET
            headers = IDENTITY | {"Range": "bytes=0-0"}
            response = requests.get(address, headers=headers, timeout=timeout, stream=True)
            response.close()
    except requests.RequestException as error:
        return reason_of(error)
    return fault_of(response, range(200, 400))


def fault_of(response: requests.Response, allowed: Container[int]) -> str | None:
    """Describe what is wrong with a response by its headers; return None if nothing is."""
    if response.status_code not in allowed:
        meaning = http.client.responses.get(response.status_code, "")
        return f"status {response.status_code} {meaning}".rstrip()
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        return "a web page instead of a file"
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return "compressed, although the request forbids it"
    return None


def reason_of(error: requests.RequestException) -> str:
    """Describe a failure in a few words; the libraries' own messages are long and nested."""
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"not a usable address ({type(error).__name__})"
