import pytest

from keras_mixup_gan.data import cache


@pytest.fixture
def small_cache(tmp_path, monkeypatch):
    """Where any number of images is more than is kept in memory."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "LIMIT", 0)
    monkeypatch.setattr(cache, "_NOTE_BYTES", 100)  # three images of 48 bytes
    return tmp_path / "cache"
