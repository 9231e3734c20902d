"""The members that an attack is surest about, as pictures for a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from keras_mixup_gan.typing import FloatArray

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.results import AuditReport

NUM_SHOWN = 24


@dataclass(frozen=True)
class ExposedMember:
    """A member with a high score.

    Attributes:
        index: Its place among the members, from 0.
        above: Share of the non-members that score at least as high.
        picture: The image as a `data:` address of a PNG.
    """

    index: int
    above: float
    picture: str


def exposed_members(
    report: AuditReport, number: int = NUM_SHOWN
) -> tuple[ExposedMember, ...]:
    """The members of the highest scores by the strongest attack, highest first.

    Args:
        report: The report.
        number: How many members at most.

    Returns:
        The members; none where no attack ran.
    """
    strongest, images = report.strongest, report.member_images
    if strongest is None or images is None:
        return ()
    members, non_members = strongest.member_scores, strongest.non_member_scores
    if members is None or non_members is None:
        return ()
    order = np.argsort(-members, kind="stable")[:number]
    return tuple(
        ExposedMember(
            int(index),
            float((non_members >= members[index]).mean()),
            _picture(images[index]),
        )
        for index in order
    )


def _picture(image: FloatArray) -> str:
    """A PNG of an image in `[-1, 1]`; of unusual channels the first."""
    pixels = np.rint((image.astype("float64") + 1) * 127.5).clip(0, 255).astype("uint8")
    if pixels.shape[-1] != 3:
        pixels = pixels[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
