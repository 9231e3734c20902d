"""Images to train on, and their split into members and non-members."""

from keras_mixup_gan.data.sources import Images as Images
from keras_mixup_gan.data.sources import load_images as load_images
from keras_mixup_gan.data.splits import MembershipSplit as MembershipSplit
from keras_mixup_gan.data.splits import SplitPart as SplitPart
