"""Settings of S3 that obstore does not read by itself: profiles, and the endpoint they name."""

import configparser
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keyart.errors import StoreError

_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}


def aws_options() -> dict[str, Any]:
    """Options of an S3 store beyond those that obstore finds in the environment.

    Keys in the environment come first, then the profile AWS_PROFILE or 'default', then what the
    instance gives. A profile that asks another service for keys needs boto3. Raises StoreError.
    """
    env = os.environ
    options: dict[str, Any] = {}
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
    if endpoint:
        options["endpoint"] = endpoint
    if "AWS_ACCESS_KEY_ID" in env and "AWS_PROFILE" not in env:
        return options
    name = env.get("AWS_PROFILE", "default")
    profile = _profile(name)
    if profile is None:
        if "AWS_PROFILE" in env:
            raise StoreError(f"AWS_PROFILE={name}: no such profile in ~/.aws; check the name")
        return options
    found = {_KEYS[key]: value for key, value in profile.items() if key in _KEYS}
    options = {**found, **options}
    if "AWS_REGION" in env:
        options["region"] = env["AWS_REGION"]
    if "access_key_id" not in options and any(key in profile for key in _ASKING):
        if find_spec("boto3") is None:
            raise StoreError(
                f"profile {name}: asks another service for its keys, which needs boto3: pip "
                "install boto3"
            )
        options["credential_provider"] = _by_boto3(name)
    return options


_ASKING = (
    "role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file",
)  # fmt: skip


def _by_boto3(name: str) -> Any:
    import boto3  # type: ignore[import-untyped]
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(boto3.Session(profile_name=name))
    except Exception as error:
        raise StoreError(
            f"profile {name}: gives no keys ({type(error).__name__}); log in again"
        ) from None


def _profile(name: str) -> dict[str, str] | None:
    """What ~/.aws/config and ~/.aws/credentials say of a profile; None if there is none."""
    found: dict[str, str] = {}
    known = False
    for variable, file, section in (
        ("AWS_CONFIG_FILE", "config", name if name == "default" else f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name),
    ):
        try:
            path = Path(os.environ.get(variable) or Path.home() / ".aws" / file)
            parser = configparser.RawConfigParser()
            parser.read(path, encoding="utf-8")
        except (RuntimeError, OSError, UnicodeError):
            continue
        except configparser.Error:
            raise StoreError(f"{path}: not a file of profiles; fix it") from None
        if parser.has_section(section):
            known = True
            found |= dict(parser.items(section))
    return found if known else None
