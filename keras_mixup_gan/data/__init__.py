"""Images to train on, and their split into members and non-members."""

from keras_mixup_gan.data.classes import Images as Images
from keras_mixup_gan.data.sources import SOURCES as SOURCES
from keras_mixup_gan.data.sources import Source as Source
from keras_mixup_gan.data.sources import data_set as data_set
from keras_mixup_gan.data.sources import extractor_name as extractor_name
from keras_mixup_gan.data.sources import find_source as find_source
from keras_mixup_gan.data.sources import load_images as load_images
from keras_mixup_gan.data.sources import register_data as register_data
from keras_mixup_gan.data.sources import source_title as source_title
from keras_mixup_gan.data.splits import MembershipSplit as MembershipSplit
from keras_mixup_gan.data.splits import SplitPart as SplitPart
