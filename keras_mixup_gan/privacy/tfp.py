"""The only place that imports tensorflow-privacy.

Release 0.9.0 cannot be imported as a whole beside Keras 3, but its query objects, its
clipping and its privacy statement work. They are loaded through the hook that the
package provides for scripts that use only parts of it. As a side effect, a later
`import tensorflow_privacy` in the same process yields the bare package.
"""

import importlib
import sys
import threading
from typing import Any

_LOCK = threading.Lock()
_HOOK = "skip_tf_privacy_import"


def load(module: str) -> Any:
    """Imports `tensorflow_privacy.privacy.<module>`."""
    with _LOCK:
        is_set = hasattr(sys, _HOOK)
        if not is_set:
            setattr(sys, _HOOK, True)
        try:
            return importlib.import_module(f"tensorflow_privacy.privacy.{module}")
        except ImportError as error:
            raise ImportError(
                "DP-SGD needs tensorflow-privacy, which is not installed or not usable "
                f"here ({error}). Install it with `pip install 'keras-mixup-gan[dp]'` "
                "under Python 3.11."
            ) from error
        finally:
            if not is_set:
                delattr(sys, _HOOK)


def check() -> None:
    """Raises an `ImportError` where a model could not be trained with DP-SGD.

    One that was trained with it generates without the extra.
    """
    load("dp_query.gaussian_query")


def gaussian_query(l2_norm_clip: float, stddev: float, add_noise: Any) -> Any:
    """A `GaussianSumQuery` whose noise comes from `add_noise(tensor, stddev)`.

    The stock query draws from the global generator: constant across processes under
    XLA on CPU, and reproducible after `keras.utils.set_random_seed`. Either would make
    the noise public.
    """
    base: Any = load("dp_query.gaussian_query").GaussianSumQuery

    class OwnNoise(base):
        def get_noised_result(self, sample_state: Any, global_state: Any) -> Any:
            import dp_accounting
            import tensorflow as tf

            noised = tf.nest.map_structure(
                lambda total: add_noise(total, global_state.stddev), sample_state
            )
            event = dp_accounting.GaussianDpEvent(stddev / l2_norm_clip)
            return noised, global_state, event

    return OwnNoise(l2_norm_clip, stddev)
