"""Names for the kinds of arrays that the package passes around."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]
# TensorFlow and Keras ship no annotations that a checker could use.
Tensor: TypeAlias = Any
