"""Images to train on, and their split into members and non-members."""

from keras_mixup_gan.data.classes import Images
from keras_mixup_gan.data.sources import (
    SOURCES,
    Source,
    data_set,
    extractor_name,
    find_source,
    load_images,
    register_data,
    source_title,
)
from keras_mixup_gan.data.splits import MembershipSplit, SplitPart

__all__ = [
    "SOURCES",
    "Images",
    "MembershipSplit",
    "Source",
    "SplitPart",
    "data_set",
    "extractor_name",
    "find_source",
    "load_images",
    "register_data",
    "source_title",
]
