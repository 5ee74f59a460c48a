"""What the portal learns from its environment."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from app.core.settings import SettingsError, load_settings

OUTSIDE = {
    "DATABASE_URL": "postgresql://huiqiao_app:word@db.example/huiqiao",
    "MIGRATION_DATABASE_URL": "postgres://huiqiao_owner:word@db.example/huiqiao",
    "HUIQIAO_SECRET_KEY": "k" * 32,
    "HUIQIAO_FIELD_KEYS": Fernet.generate_key().decode(),
}


def test_without_any_url_the_portal_is_a_demo_that_keeps_its_own_keys(tmp_path: Path) -> None:
    first = load_settings({"HUIQIAO_INSTANCE": str(tmp_path / "instance")})
    second = load_settings({"HUIQIAO_INSTANCE": str(tmp_path / "instance")})
    assert first.demo
    assert first.database_url is None
    assert first == second


def test_the_keys_of_a_demo_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    load_settings({"HUIQIAO_INSTANCE": str(tmp_path)})
    for name in ("secret_key", "field_keys"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_two_portals_have_different_keys(tmp_path: Path) -> None:
    one = load_settings({"HUIQIAO_INSTANCE": str(tmp_path / "one")})
    other = load_settings({"HUIQIAO_INSTANCE": str(tmp_path / "other")})
    assert one.secret_key != other.secret_key
    assert one.field_keys != other.field_keys


def test_what_opens_something_is_never_printed(tmp_path: Path) -> None:
    shown = repr(load_settings({**OUTSIDE, "REDIS_URL": "redis://:word@cache.example", "HUIQIAO_INSTANCE": str(tmp_path)}))
    assert not any(secret in shown for secret in ("word", OUTSIDE["HUIQIAO_SECRET_KEY"], OUTSIDE["HUIQIAO_FIELD_KEYS"]))


def test_with_a_database_url_the_portal_is_no_demo() -> None:
    assert not load_settings(OUTSIDE).demo


def test_a_portal_on_an_external_database_can_still_be_a_demo() -> None:
    assert load_settings({**OUTSIDE, "HUIQIAO_DEMO": "1"}).demo


def test_both_spellings_of_a_postgresql_url_lead_to_psycopg() -> None:
    settings = load_settings(OUTSIDE)
    assert settings.database_url == "postgresql+psycopg://huiqiao_app:word@db.example/huiqiao"
    assert settings.migration_database_url == "postgresql+psycopg://huiqiao_owner:word@db.example/huiqiao"


def test_the_upload_limit_is_given_in_megabytes_and_kept_in_bytes() -> None:
    assert load_settings(OUTSIDE).upload_limit == 200 * 1024 * 1024
    assert load_settings({**OUTSIDE, "HUIQIAO_UPLOAD_LIMIT_MB": "5"}).upload_limit == 5 * 1024 * 1024


def test_several_field_keys_stay_in_their_order() -> None:
    keys = [Fernet.generate_key().decode() for _ in range(3)]
    assert load_settings({**OUTSIDE, "HUIQIAO_FIELD_KEYS": " , ".join(keys)}).field_keys == tuple(keys)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://localhost/huiqiao"}, "DATABASE_URL"),
        ({"DATABASE_URL": "huiqiao"}, "DATABASE_URL"),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL"),
        ({"HUIQIAO_SECRET_KEY": ""}, "HUIQIAO_SECRET_KEY"),
        ({"HUIQIAO_SECRET_KEY": "too short"}, "HUIQIAO_SECRET_KEY"),
        ({"HUIQIAO_FIELD_KEYS": ""}, "HUIQIAO_FIELD_KEYS"),
        ({"HUIQIAO_FIELD_KEYS": "not a key"}, "HUIQIAO_FIELD_KEYS"),
        ({"HUIQIAO_DEMO": "perhaps"}, "HUIQIAO_DEMO"),
        ({"PORT": "http"}, "PORT"),
        ({"PORT": "70000"}, "PORT"),
        ({"HUIQIAO_WORKERS": "0"}, "HUIQIAO_WORKERS"),
        ({"HUIQIAO_WEB_WORKERS": "0"}, "HUIQIAO_WEB_WORKERS"),
    ],
)
def test_a_wrong_environment_is_refused_in_one_sentence_that_names_the_variable(
    change: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({**OUTSIDE, **change})
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_demo_in_a_folder_that_cannot_be_made_is_refused_in_one_sentence(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    from app.core.paths import FolderError

    with pytest.raises(FolderError, match="a part of the path is a file"):
        load_settings({"HUIQIAO_INSTANCE": str(in_the_way / "instance")})
