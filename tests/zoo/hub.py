"""A stand-in for the Hub and its client, which are a folder and this module."""

import fnmatch
import hashlib
import shutil
import sys
from types import SimpleNamespace

import pytest


class FakeHub:
    """What `huggingface_hub` offers as far as it is used, and what it was asked."""

    def __init__(self, root):
        self.root, self.repositories, self.asked = root, {}, []

    def HfApi(self, *, token, library_name, library_version):
        self.asked.append(("HfApi", token))
        return self

    def create_repo(self, repo_id, *, private, exist_ok):
        assert exist_ok
        new = SimpleNamespace(private=private, commits={})
        self.repositories.setdefault(repo_id, new)

    def repo_info(self, repo_id):
        return self.repositories[repo_id]

    def upload_folder(self, *, repo_id, folder_path, allow_patterns, commit_message):
        files = {
            path.name: path.read_bytes()
            for path in self.root.joinpath(folder_path).iterdir()
            if any(fnmatch.fnmatch(path.name, each) for each in allow_patterns)
        }
        return SimpleNamespace(oid=self.commit(repo_id, files))

    def commit(self, repo_id, files):
        """Puts files into a repository; the last commit is the newest."""
        self.create_repo(repo_id, private=True, exist_ok=True)
        content = b"".join(b"%s:%s" % (k.encode(), v) for k, v in sorted(files.items()))
        oid = hashlib.sha1(content).hexdigest()
        self.repositories[repo_id].commits[oid] = files
        return oid

    def snapshot_download(
        self, repo_id, *, revision, allow_patterns, library_name, library_version
    ):
        self.asked.append((repo_id, revision, tuple(allow_patterns)))
        if repo_id not in self.repositories:
            raise LookupError(f"404 Client Error.\nRepository not found: {repo_id}")
        commits = self.repositories[repo_id].commits
        commit = revision or list(commits)[-1]
        folder = self.root / "cache" / repo_id / "snapshots" / commit
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in commits[commit].items():
            if any(fnmatch.fnmatch(name, each) for each in allow_patterns):
                (folder / name).write_bytes(content)
        return str(folder)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The Hub of a test, empty."""
    fake = FakeHub(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return fake
