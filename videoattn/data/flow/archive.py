"""The flow of one video in one file: a zip of stored (not compressed) images, so that a single field is read alone.

Member 000000.png (or .jpg) is the grey image (2 H, W) of field 0: its x component above its y component.
"""

import struct
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from videoattn.errors import InputError, RunError
from videoattn.io import atomic

ENCODINGS = {"png": (".png", []), "jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])}
_MEMBER_LIMIT = 1 << 26  # bytes of one image: 4096 x 4096 fields need less
# What zipfile and OpenCV raise on a file that is not what it says.
_DAMAGE = (zipfile.BadZipFile, struct.error, OSError, RuntimeError, ValueError, EOFError, cv2.error)


def write_archive(path: Path, fields: Iterable[np.ndarray], encoding: str) -> None:
    """Store uint8 fields (2, H, W) at `path`, all of them or no file at all.

    `fields` is consumed one at a time; what it raises passes through. Raises RunError where the disk refuses.
    """
    suffix, options = ENCODINGS[encoding]
    with atomic(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for index, field in enumerate(fields):
            _, image = cv2.imencode(suffix, field.reshape(-1, field.shape[-1]), options)
            archive.writestr(zipfile.ZipInfo(f"{index:06d}{suffix}"), image.tobytes())


def count_fields(path: Path, encoding: str) -> int:
    """The number of fields. Raises RunError where the file is missing or damaged."""
    with _members(path, encoding) as (_, members):
        return len(members)


def read_fields(path: Path, indices: Sequence[int], encoding: str) -> np.ndarray:
    """Fields by index, repeats allowed: uint8 (n, 2, H, W); only those asked for are decoded.

    Raises RunError where the file is missing or damaged, InputError for an index that it does not hold.
    """
    with _members(path, encoding) as (archive, members):
        wrong = [int(index) for index in indices if not 0 <= index < len(members)]
        if wrong or not len(indices):
            raise InputError(f"flow fields {wrong or 'none'} asked for; {path} holds 0 to {len(members) - 1}")
        images = {index: _decode(archive.read(members[index])) for index in dict.fromkeys(map(int, indices))}
        stacked = np.stack([images[int(index)] for index in indices])
        return stacked.reshape(len(stacked), 2, -1, stacked.shape[-1])


@contextmanager
def _members(path: Path, encoding: str):
    """The open archive and its checked members in order; turns every sign of damage into one RunError."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for index, member in enumerate(members):
                if member.filename != f"{index:06d}{ENCODINGS[encoding][0]}":
                    raise ValueError(f"member {index} is named {member.filename!r}")
                if member.compress_type != zipfile.ZIP_STORED or member.file_size > _MEMBER_LIMIT:
                    raise ValueError(f"member {index} is compressed or of {member.file_size} bytes")
            yield archive, members
    except FileNotFoundError as error:
        raise RunError(f"no flow at {path}: build the flow cache first") from error
    except InputError:
        raise
    except _DAMAGE as error:
        raise RunError(f"{path} is damaged ({error}); delete it and build the flow cache again") from error


def _decode(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != np.uint8 or len(image) % 2:
        raise ValueError("an image is not grey with an even number of rows")
    return image
