"""Medical images in DICOM files, by pydicom: one gray or RGB image of a file."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_mixup_gan.validation import ValueRange, unit_range


def read_dicom(
    file: Path, max_pixels: int, value_range: ValueRange | None = None
) -> NDArray[Any]:
    """The pixels of a file: gray as float32 in `[-1, 1]`, or 8-bit RGB as uint8.

    Gray values are those of the modality, such as Hounsfield units: stored ones times
    the file's slope plus its intercept. What its bits can store becomes -1 to 1, or the
    window `value_range`, at whose ends values are cut. Where a file says that low
    values are bright (MONOCHROME1), they are inverted.

    Raises:
        ImportError: Without the extra `dicom`.
        ValueError: If the file is of another kind; the message is the reason alone.
    """
    try:
        import pydicom
    except ImportError as error:
        raise ImportError(
            f"The image {file} needs pydicom, which is not usable here ({error}). "
            "Install it with `pip install 'keras-mixup-gan[dicom]'`."
        ) from error
    # From memory, where no length that a file claims can take more than it has.
    with warnings.catch_warnings(action="ignore"):  # of values by no standard
        data: Any = pydicom.dcmread(io.BytesIO(file.read_bytes()))
    rows, columns = int(data.Rows), int(data.Columns)
    if rows * columns > max_pixels:
        raise ValueError(f"it has {rows} x {columns} pixels")
    if int(data.get("NumberOfFrames") or 1) != 1:
        raise ValueError(f"it holds {data.NumberOfFrames} frames and not one image")
    kind, bits = str(data.PhotometricInterpretation), int(data.BitsStored)
    if kind == "RGB" and bits == 8:
        return np.asarray(data.pixel_array, "uint8")
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"its pixels are {kind} of {bits} bits, not gray nor RGB of 8")
    if "ModalityLUTSequence" in data:
        raise ValueError("its values become those of the modality by a table")
    mapped = _transformation(data)
    slope = mapped.get("RescaleSlope")
    slope = 1.0 if slope in (None, "") else float(slope)
    intercept = float(mapped.get("RescaleIntercept") or 0)
    if slope == 0 or not np.isfinite([slope, intercept]).all() or not 0 < bits <= 32:
        raise ValueError(f"its {bits} bits are mapped by {slope} and {intercept}")
    lowest = -(2 ** (bits - 1)) if data.PixelRepresentation else 0
    stored = lowest, lowest + 2**bits - 1
    ends = sorted(slope * end + intercept for end in stored)
    low, high = value_range or ends
    values = data.pixel_array.astype("float64") * slope + intercept
    pixels = unit_range(np.clip(values, low, high), (low, high))[..., None]
    return -pixels if kind == "MONOCHROME1" else pixels


def _transformation(data: Any) -> Any:
    """What holds the slope and the intercept: enhanced objects have it in groups."""
    kinds = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
    groups = [group for kind in kinds for group in data.get(kind) or ()]
    name = "PixelValueTransformationSequence"
    return next((one for group in groups for one in group.get(name) or ()), data)
