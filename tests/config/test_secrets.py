from __future__ import annotations

import logging
import pickle
import string
from typing import Any

import pytest

from remote_store_fsspec.options._references import EnvRef, adopt
from remote_store_fsspec.secrets import (
    MASK,
    Secret,
    is_secret_text,
    is_sensitive,
    mask,
    mask_text,
    mask_url,
    redact_logs,
    remember,
    scrub,
    scrub_known,
)

CANARY = "canary-7f3e9b1c"
PEM = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{:>20}".format, lambda s: f"{s}{s!r}"])
def test_a_secret_shows_a_mask_however_it_is_shown(shown: Any) -> None:
    assert CANARY not in shown(Secret(CANARY))


def test_a_secret_survives_a_pickle_and_compares_by_its_text() -> None:
    secret = Secret(CANARY)
    again = pickle.loads(pickle.dumps(secret))
    assert again == secret
    assert hash(again) == hash(secret)
    assert again.reveal() == CANARY
    assert again != CANARY
    assert Secret("") != secret
    assert not Secret("")


def test_a_secret_does_not_change() -> None:
    with pytest.raises(AttributeError, match="does not change"):
        Secret(CANARY)._text = "other"


@pytest.mark.parametrize(
    "name",
    [
        *("key", "secret", "password", "account_key", "sas_token", "connection_string"),
        *("client_secret", "client_certificate", "token", "aws_session_token", "passphrase"),
        *("headers", "Authorization", "aws_secret_access_key", "SSECustomerKey", "pkcs11_pin"),
        *("api_key", "private_key", "auth", "credential", "access_token", "secretAccessKey"),
    ],
)
def test_these_names_hold_secrets(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "name",
    [
        *("bucket", "endpoint_url", "region_name", "host", "port", "username", "root"),
        *("host_keys_path", "known_hosts", "signature_version", "key_filename", "SSEKMSKeyId"),
        *("host_key_policy", "tls_ca_bundle", "keepalive_interval", "container", "hns", 7, None),
    ],
)
def test_these_names_do_not(name: object) -> None:
    assert not is_sensitive(name)


def test_a_mask_keeps_the_shape_and_hides_every_secret_at_any_depth() -> None:
    shown = mask(
        {
            "bucket": "b",
            "secret": CANARY,
            "client_options": {
                "token": CANARY,
                "headers": {"X-Anything": CANARY, "list": [CANARY]},
                "port": 9000,
                "verify": True,
                "nothing": None,
            },
            "client_keys": [PEM, b"-----BEGIN", "/home/me/.ssh/id"],
            "address": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={CANARY}==;",
            "url": f"https://me:{CANARY}@host/x?sv=1&sig={CANARY}&se=2",
            "wrapped": Secret(CANARY),
            "password": {"env": "LOGS_PASSWORD"},
            "reference": EnvRef("NAME"),
        }
    )
    assert CANARY not in repr(shown)
    assert shown["bucket"] == "b"
    assert shown["client_options"]["port"] == 9000
    assert shown["client_options"]["verify"] is True
    assert shown["client_options"]["nothing"] is None
    assert shown["client_keys"] == [MASK, "<bytes>", "/home/me/.ssh/id"]
    assert "AccountName=a" in shown["address"]
    assert shown["url"] == f"https://host/x?sv=1&sig={MASK}&se=2"
    assert shown["password"] == {"env": "LOGS_PASSWORD"}
    assert shown["reference"] == {"env": "NAME"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sftp://me:pw@host:22/srv/a b", "sftp://host:22/srv/a b"),
        ("sftp://me@host/srv", "sftp://host/srv"),
        ("ftp://me:p@ss:w@rd@host/srv", "ftp://host/srv"),
        ("s3://bucket/a@b/c", "s3://bucket/a@b/c"),
        (
            "abfss://container@acc.dfs.core.windows.net/x",
            "abfss://container@acc.dfs.core.windows.net/x",
        ),
        ("simplecache::ftp://me:pw@host/x", "simplecache::ftp://host/x"),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=ab&x=1",
            f"https://b.s3.amazonaws.com/k?X-Amz-Credential={MASK}&X-Amz-Signature={MASK}&x=1",
        ),
        ("https://a.blob.core.windows.net/c/k?sig=a%2Bb&sv=1", None),
        ("https://storage.googleapis.com/b/k?X-Goog-Signature=ab", None),
        ("https://host/x?access_token=abc", None),
    ],
)
def test_a_url_is_shown_without_its_user_and_its_signature(url: str, shown: str | None) -> None:
    masked = mask_url(url)
    if shown is None:
        assert MASK in masked
        assert masked.startswith(url.partition("?")[0])
    else:
        assert masked == shown


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("sftp://me@host/srv", False),
        ("sftp://me:pw@host/srv", True),
        ("ftp://me@o:pw@host/srv", True),
        ("abfss://c@a.dfs.core.windows.net/x", False),
        ("https://h/x?sig=abc", True),
        ("s3://bucket/a@b", False),
        (PEM, True),
    ],
)
def test_a_user_alone_is_no_secret(text: str, secret: bool) -> None:
    assert is_secret_text(text) is secret


def test_plain_text_is_left_as_it_is() -> None:
    text = "key=value; ratio 3/4, see /srv/a@b?c"
    assert mask_text("a=b") == "a=b"
    assert mask_text(string.printable) == string.printable
    assert "/srv/a@b" in mask_text(text)


def test_a_pem_block_cut_short_is_masked_to_the_end() -> None:
    assert CANARY not in mask_text(PEM[: PEM.index("-----END")])


def test_scrubbing_takes_out_given_secrets_the_longest_first() -> None:
    assert scrub("abc abcd", [Secret("abcd"), "abc", ""]) == f"{MASK} {MASK}"


def test_a_secret_that_was_used_is_recognised_afterwards() -> None:
    value = "used-5e0d1a77"
    assert scrub_known(f"x {value} y") == f"x {value} y"
    Secret(value).reveal()
    assert scrub_known(f"x {value} y") == f"x {MASK} y"
    remember("ab")
    assert scrub_known("ab") == "ab"


def test_only_so_many_used_secrets_are_kept() -> None:
    remember("oldest-of-all")
    for number in range(1100):
        remember(f"filler-{number:05}")
    assert scrub_known("oldest-of-all") == "oldest-of-all"
    assert MASK in scrub_known("filler-01099")


@pytest.mark.parametrize("name", ["botocore.auth", "asyncssh", "azure.core.pipeline", "s3fs"])
def test_logs_of_the_storage_libraries_are_redacted(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger(name)
    redact_logs()
    redact_logs()
    remember(CANARY)
    with caplog.at_level(logging.DEBUG, logger=name):
        logger.info("signing with %s and %d more", CANARY, 3)
        logger.info("headers: %s", {"token": CANARY})
        logger.info("url https://me:pw-in-url@host/")
        logger.info("nothing to hide %s", 1)
        try:
            raise ValueError(CANARY)
        except ValueError:
            logger.exception("it failed")
    assert CANARY not in caplog.text
    assert "pw-in-url" not in caplog.text
    assert "and 3 more" in caplog.text
    assert "ValueError" in caplog.text
    assert "nothing to hide 1" in caplog.text


def test_other_loggers_keep_their_records(caplog: pytest.LogCaptureFixture) -> None:
    redact_logs()
    remember(CANARY)
    with caplog.at_level(logging.INFO, logger="application"):
        logging.getLogger("application").info("mine: %s", CANARY)
    assert CANARY in caplog.text


def test_adopting_options_wraps_what_is_secret_and_keeps_references() -> None:
    held = adopt(
        {
            "secret": CANARY,
            "key": {"env": "K"},
            "nested": {"headers": {"any": CANARY}},
            "url": f"https://u:{CANARY}@h",
            "auth": ("user", CANARY),
        }
    )
    assert CANARY not in repr(held)
    assert held["key"] == EnvRef("K")
    assert held["auth"] == ("user", Secret(CANARY))
