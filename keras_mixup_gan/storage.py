"""Files of results: written whole or not at all, and read with suspicion."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import lzma
import math
import os
import secrets
import sys
import time
import tokenize
import types
import typing
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# What reading a damaged file may raise, whatever it was meant to hold.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError),
    *(RuntimeError, SyntaxError, OverflowError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError),
)
# Those that NumPy wrote before it allowed for field names in other alphabets.
_npy: Any = np.lib.format
_HEADERS = {(1, 0): _npy.read_array_header_1_0, (2, 0): _npy.read_array_header_2_0}
_CHUNK_BYTES, _WAIT_SECONDS = 2**20, 0.5
LOCK, _PARTIAL, _SEAL = ".lock", ".partial-", "digest"
_SYSTEMS_OWN = ("Thumbs.db", "desktop.ini", "__MACOSX")


class DamagedFileError(ValueError):
    """A file that is missing, cut short, altered, or was written by something else."""


def path_of(name: str | os.PathLike[str]) -> Path:
    """A path in which `~` stands for a home, if there is one of that name."""
    return Path(os.path.expanduser(name))


@contextlib.contextmanager
def writing(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A place for a file, which takes its name when the block ends, or is deleted.

    The folders that it needs are made; a private file is readable by its owner alone.
    """
    _check_path(path)
    place = path.with_name(f"{_PARTIAL}{secrets.token_hex(8)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if private:
            place.touch(0o600)
        yield place
        place.replace(path)
    except OSError as error:
        raise ValueError(
            f"The file cannot be written: {error.strerror or error}. "
            f"Received: path={str(path)!r}. Choose a folder that you may write to."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            place.unlink()


def write_file(path: Path, content: bytes, *, private: bool = False) -> Path:
    """Writes a file whole or not at all; see `writing`."""
    with writing(path, private=private) as place:
        place.write_bytes(content)
    return path


def write_text(path: Path, text: str, *, private: bool = False) -> Path:
    """Writes text as UTF-8, as `write_file` does.

    In the name of a file that is not UTF-8, escapes stand for its bytes.
    """
    content = text.encode("utf-8", "backslashreplace")
    return write_file(path, content, private=private)


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Writes plain values as JSON, as `write_file` does; NaN is an error."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_text(path, text)


def write_sealed(path: Path, content: Mapping[str, Any]) -> Path:
    """Writes JSON with a digest of its own, by which edits are noticed."""
    return write_json(path, {**content, _SEAL: digest_json(content)})


def finite(content: Any) -> Any:
    """Plain values for `write_json`: numbers that are not finite become null."""
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(value) for value in content]
    is_number = isinstance(content, (float, np.floating))
    return None if is_number and not np.isfinite(content) else content


def write_arrays(
    path: Path, arrays: Mapping[str, Any], *, private: bool = False
) -> Path:
    """Writes named arrays as a compressed `.npz` file, as `write_file` does."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return write_file(path, buffer.getvalue(), private=private)


def make_folder(folder: Path) -> Path:
    """Makes a folder and those above it."""
    _check_path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    return folder


def _check_path(path: Path) -> None:
    if "\0" in str(path):
        raise ValueError(
            "No path can hold a null character. Expected the path of a file or folder. "
            f"Received: {str(path)!r}. Remove that character."
        )


def _unusable(folder: Path, error: OSError) -> ValueError:
    return ValueError(
        f"The folder cannot be used: {error.strerror or error}. Received: "
        f"folder={str(folder)!r}. Choose a folder that you may write to."
    )


@contextlib.contextmanager
def locked(folder: Path, *own: str, wait: bool = False) -> Iterator[None]:
    """Keeps other runs out of a folder, which is made if need be.

    With `wait` this one waits for another, and is refused else. The lock is the
    system's: it ends with this process, however that ends. What a killed run left half
    written, there and below its `own` sub-folders, is deleted.
    """
    path = make_folder(folder) / LOCK
    file = _lock(path, wait)
    try:
        below = (place.rglob(f"{_PARTIAL}*") for place in map(folder.joinpath, own))
        for partial in (*folder.glob(f"{_PARTIAL}*"), *chain.from_iterable(below)):
            with contextlib.suppress(OSError):
                partial.unlink()
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        file.close()


def _lock(path: Path, wait: bool) -> Any:
    """The open file of a lock that is held from now on."""
    is_told = False
    while True:
        try:
            file = path.open("a+")
        except OSError as error:
            raise _unusable(path.parent, error) from error
        try:
            _lock_file(file)
        except (BlockingIOError, PermissionError):
            with file, contextlib.suppress(OSError):
                file.seek(0)
                holder = file.read(20) or "unknown"
            used = f"The folder {str(path.parent)!r} is in use by another run"
            if not wait:
                raise ValueError(
                    f"{used}. Expected one run at a time. Received: a folder held by "
                    f"process {holder}. Wait until that ends, or choose another folder."
                ) from None
            if not is_told:
                warnings.warn(f"{used}, process {holder}: waiting.", stacklevel=2)
                is_told = True
            time.sleep(_WAIT_SECONDS)
            continue
        except OSError:  # a file system without locks
            return file
        with contextlib.suppress(OSError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
                return file
        file.close()  # its holder deleted it meanwhile


def _lock_file(file: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing, or only files that systems hide."""
    if not folder.exists():
        return True
    names = (path.name for path in folder.iterdir())
    return all(name.startswith(".") or name in _SYSTEMS_OWN for name in names)


def check_empty(out: Path) -> None:
    """Raises unless what is written to a folder would be all that it holds."""
    if out.is_file() or not is_empty(out):
        raise ValueError(
            "What is written here takes a folder of its own. Expected an empty folder, "
            f"or none. Received: out={str(out)!r}. Choose another `--out`."
        )


def check_outside(out: Path, **sources: Any) -> None:
    """Raises where results would be written among the images that they are made of."""
    for name, source in sources.items():
        if source is None:
            continue
        inside = path_of(str(source))
        if inside.is_dir() and out.resolve().is_relative_to(inside.resolve()):
            raise ValueError(
                "Results must not lie among the images, or they become images of the "
                f"next run. Expected `--out` outside of `--{name.replace('_', '-')}`. "
                f"Received: out={str(out)!r}, {name}={str(source)!r}. Choose another "
                "`--out`."
            )


def check_clock() -> None:
    """Raises where models cannot be saved, as archives know no date before 1980."""
    if (now := time.localtime()).tm_year < 1980:
        raise ValueError(
            "The clock of this machine is wrong. Expected a date after 1980, which "
            f"the files of models need. Received: {time.strftime('%Y-%m-%d', now)}. "
            "Set the clock."
        )


@contextlib.contextmanager
def reading(path: Path, what: str, remedy: str) -> Any:
    """Turns whatever goes wrong in a block that reads a file into one sentence.

    `what` is it that the file should hold, and `remedy` a sentence for the user.
    """
    try:
        yield
    except DamagedFileError:
        raise
    except _UNREADABLE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DamagedFileError(
            f"The file {str(path)!r} cannot be read ({reason}). Expected {what}. "
            f"{remedy}"
        ) from error


def read_json(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """Reads a JSON file that holds an object; see `reading`."""
    with reading(path, what, remedy):
        content = json.loads(path.read_text("utf-8"), parse_constant=_refuse)
        if not isinstance(content, dict):
            raise TypeError(f"it holds {type(content).__name__}, not an object")
    return content


def unseal(content: Mapping[str, Any]) -> dict[str, Any]:
    """What `write_sealed` was given; a `ValueError` if that was changed since."""
    given = dict(content)
    if given.pop(_SEAL, None) != digest_json(given):
        raise ValueError("its digest is not that of its content")
    return given


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def decode(kind: Any, content: Any) -> Any:
    """What JSON or TOML holds, as a dataclass, a plain type, or a tuple of such.

    It is the inverse of `dataclasses.asdict`. Mappings and unions of such types are
    read too; what is of another type, or lacks or adds a field, is a `TypeError`.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        for one in arguments:
            with contextlib.suppress(TypeError):
                return decode(one, content)
    elif dataclasses.is_dataclass(kind) and isinstance(content, dict):
        return _decode_fields(kind, content)
    elif origin is tuple and isinstance(content, (list, tuple)):
        if arguments[-1] is Ellipsis:
            return tuple(decode(arguments[0], value) for value in content)
        if len(arguments) == len(content):
            return tuple(map(decode, arguments, content))
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(content, dict):
            return {str(key): decode(arguments[1], content[key]) for key in content}
    elif kind is float and type(content) is int:
        return float(content)
    elif isinstance(kind, type) and type(content) is kind:
        return content
    name = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    raise TypeError(f"expected {name}, received {content!r:.60}")


@functools.cache
def _types_of(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_fields(kind: Any, content: dict[str, Any]) -> Any:
    """A dataclass with exactly the fields that it knows."""
    fields = {one.name: one for one in dataclasses.fields(kind)}
    needed = [
        name
        for name, one in fields.items()
        if one.default is one.default_factory is dataclasses.MISSING
    ]
    wrong = [f"unknown key {key!r}" for key in sorted(content.keys() - fields.keys())]
    wrong += [f"no key {key!r}" for key in sorted(set(needed) - content.keys())]
    if wrong:
        raise TypeError(
            f"received {', '.join(wrong)}, expected a {kind.__name__.lower()} with "
            f"keys {', '.join(sorted(fields))}"
        )
    values = {}
    for name, value in content.items():
        try:
            values[name] = decode(_types_of(kind)[name], value)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from error
    return kind(**values)


# === Arrays ===


class PackedArray(NamedTuple):
    """An array in an `.npz` file of which only the header was read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool
    info: zipfile.ZipInfo
    start: int

    def unpack(self, archive: zipfile.ZipFile) -> NDArray[Any]:
        """Its values."""
        flat = np.empty(math.prod(self.shape), self.dtype)
        rest = flat.view(np.uint8)
        with archive.open(self.info) as stream:
            stream.read(self.start)
            while chunk := stream.read(_CHUNK_BYTES):
                rest[: len(chunk)] = np.frombuffer(chunk, np.uint8)
                rest = rest[len(chunk) :]
        if len(rest):
            raise ValueError(f"{self.info.filename} is cut short")
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C")


def packed_arrays(archive: zipfile.ZipFile) -> dict[str, PackedArray]:
    """The arrays of an `.npz` file, none of which takes memory before it is unpacked.

    Raises unless each is what `np.savez` writes and claims the bytes that it has.
    """
    packed: dict[str, PackedArray] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in packed:
            raise ValueError(f"{name} is no array, or there twice")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is compressed in a way that NumPy does not write")
        with archive.open(info) as stream:
            read_header = _HEADERS.get(_npy.read_magic(stream))
            if read_header is None:
                raise ValueError(f"{name} is written in another format")
            shape, is_fortran, dtype = read_header(stream)
            packed[name] = PackedArray(shape, dtype, is_fortran, info, stream.tell())
        if dtype.hasobject:
            raise ValueError("Object arrays cannot be loaded")
        size = dtype.itemsize * math.prod(shape)
        held = info.file_size - packed[name].start
        if min(shape, default=0) < 0 or not dtype.itemsize or size != held:
            raise ValueError(f"{name} claims {size} bytes and holds {held}")
    return packed


def read_arrays(
    path: Path, what: str, remedy: str, limit: float = math.inf
) -> dict[str, Any]:
    """Reads the arrays of an `.npz` file; those of more bytes stay packed."""
    with reading(path, what, remedy), zipfile.ZipFile(path) as archive:
        packed = packed_arrays(archive)
        read = {n: one for n, one in packed.items() if one.info.file_size <= limit}
        check_memory(sum(one.info.file_size for one in read.values()), "its arrays")
        return packed | {name: one.unpack(archive) for name, one in read.items()}


def check_memory(size: int, what: str) -> None:
    """Raises a `ValueError` if so many bytes are more than the machine has."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not told, as on Windows
        return
    if size > memory > 0:
        raise ValueError(
            f"{what} do not fit into memory. Expected at most {memory / 1e9:.1f} GB. "
            f"Received: {size / 1e9:.1f} GB. Load fewer or smaller ones."
        )


# === Digests ===


def digest_bytes(content: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str | None:
    """SHA-256 of a file's content, or `None` if there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_json(content: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return digest_bytes(json.dumps(content, sort_keys=True, default=str).encode())


def digest_arrays(arrays: Iterable[Any]) -> str:
    """SHA-256 of arrays in their order, their shapes and types included."""
    digest = hashlib.sha256()
    for array in arrays:
        values = array if hasattr(array, "blocks") else np.ascontiguousarray(array)
        digest.update(f"{values.shape} {values.dtype}\n".encode())
        for block in blocks_of(values):
            digest.update(block.tobytes())  # bfloat16 has no buffer
    return digest.hexdigest()


def blocks_of(array: Any) -> Iterable[Any]:
    """The parts of an array that is read some rows at a time, or the array itself."""
    return array.blocks() if hasattr(array, "blocks") else (array,)


def weights_digest(model: Any) -> str | None:
    """SHA-256 of a model's weights, or `None` if it shows none."""
    if not callable(getattr(model, "get_weights", None)):
        return None
    return digest_arrays(model.get_weights())
