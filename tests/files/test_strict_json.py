"""JSON that would slow, crash or mislead a reader is refused in one sentence."""

from __future__ import annotations

import pytest

from weight_mapping.errors import DamagedFile
from weight_mapping.files import strict_json

HOSTILE = {
    "deep lists": b"[" * 200_000,
    "deep and whole": b"[" * 201 + b"]" * 201,
    "deep objects": b'{"a":' * 300 + b"1" + b"}" * 300,
    "5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "65 bits": b'{"a": 36893488147419103232}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "1e400": b'{"a": [1e400]}',
    "duplicate key": b'{"units": 3, "units": 4}',
    "nested duplicate": b'{"a": [{"units": 3, "units": 3}]}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "surrogate key": b'{"\\udfff": 1}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "not UTF-8": b'{"a": "\xff"}',
    "two documents": b"{} {}",
    "nothing": b"",
    "text": b"hello",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused(name: str) -> None:
    with pytest.raises(DamagedFile) as caught:
        strict_json.parse(HOSTILE[name], "config.json")
    assert len(str(caught.value)) < 600


def test_a_document_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_BYTES", 100)
    with pytest.raises(DamagedFile, match="too large"):
        strict_json.parse(b'"' + b"a" * 100 + b'"', "config.json")


def test_more_values_than_memory_is_given_for_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_VALUES", 100)
    for document in (b"[" + b"[]," * 60 + b"[]]", b'{"a": [' + b'{"b":1},' * 60 + b"{}]}", b"[" + b"1," * 100 + b"1]"):
        with monkeypatch.context() as patch, pytest.raises(DamagedFile, match="too many values"):
            patch.setattr(strict_json.json, "loads", None)
            strict_json.parse(document, "config.json")
    assert strict_json.parse(b"[" + b"1," * 99 + b"1]", "config.json")


def test_what_keras_writes_passes() -> None:
    text = '{"name": "日本 \\ud83d\\ude00", "config": [1, 2.5, -3e-7, null, true, 18446744073709551615]}'
    assert strict_json.parse_object(text, "config.json")["name"] == "日本 😀"
    depth = strict_json.MAX_DEPTH - 1
    assert strict_json.parse("[" * depth + "]" * depth, "config.json")


def test_an_array_is_not_an_object() -> None:
    with pytest.raises(DamagedFile, match="not an object"):
        strict_json.parse_object("[]", "config.json")


def test_without_the_guard_the_attack_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "_check", lambda *_: None)
    assert strict_json.parse(HOSTILE["1e400"], "config.json") == {"a": [float("inf")]}
    monkeypatch.setattr(strict_json, "_object", dict)
    assert strict_json.parse(HOSTILE["duplicate key"], "config.json") == {"units": 4}
