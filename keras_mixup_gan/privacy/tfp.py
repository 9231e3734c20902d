"""The only place that imports tensorflow-privacy.

Release 0.9.0 cannot be imported as a whole beside Keras 3, but its query objects, its
clipping and its privacy statement work. They are loaded through the hook that the
package provides for scripts that use only parts of it. As a side effect, a later
`import tensorflow_privacy` in the same process yields the bare package.
"""

import contextlib
import functools
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from keras_mixup_gan.typing import Tensor

_LOCK = threading.Lock()
_HOOK = "skip_tf_privacy_import"


def load(module: str) -> Any:
    """Imports `tensorflow_privacy.privacy.<module>`.

    Args:
        module: Dotted path below `tensorflow_privacy.privacy`.

    Returns:
        The module.

    Raises:
        ImportError: If the `dp` extra is not installed.
    """
    try:
        with _skip_package_init():
            return importlib.import_module(f"tensorflow_privacy.privacy.{module}")
    except ImportError as error:
        raise ImportError(
            "DP-SGD needs tensorflow-privacy, which is not installed or not usable "
            f"here ({error}). Install it with `pip install 'keras-mixup-gan[dp]'` "
            "under Python 3.11."
        ) from error


def gaussian_query(l2_norm_clip: float, stddev: float, add_noise: Any) -> Any:
    """A `GaussianSumQuery` whose noise comes from `add_noise`.

    The stock query draws from the global generator: constant across processes under
    XLA on CPU, and reproducible after `keras.utils.set_random_seed`. Either would make
    the noise public.

    Args:
        l2_norm_clip: Largest L2 norm of one record.
        stddev: Standard deviation of the noise on the sum.
        add_noise: Called as `add_noise(tensor, stddev)`.

    Returns:
        The query.
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


def normalized_query(query: Any, denominator: float) -> Any:
    """A query that divides the noised sum by a constant, never the realized size."""
    return load("dp_query.normalized_query").NormalizedQuery(query, denominator)


def clip_record(query: Any, params: Any, record: Tensor) -> Tensor:
    """The record clipped as the query demands."""
    return query.preprocess_record(params, record)


def clip_weights(l2_norm_clip: float) -> Callable[[Tensor], Tensor]:
    """A function from gradient norms to factors that clip those gradients."""
    compute = load("fast_gradient_clipping.clip_grads").compute_clip_weights
    return lambda norms: compute(l2_norm_clip, norms)


def privacy_statement(
    *,
    num_examples: int,
    batch_size: int,
    steps: int,
    noise_multiplier: float,
    delta: float,
    accountant: str = "pld",
) -> str:
    """tensorflow-privacy's own statement for a DP-SGD training with these numbers."""
    library = load("analysis.compute_dp_sgd_privacy_lib")
    return str(
        library.compute_dp_sgd_privacy_statement(
            number_of_examples=num_examples,
            batch_size=batch_size,
            num_epochs=steps * batch_size / num_examples,
            noise_multiplier=noise_multiplier,
            delta=delta,
            used_microbatching=False,
            accountant_type=library.AccountantType[accountant.upper()],
        )
    )


def accountant(name: str) -> tuple[Any, Any]:
    """The dp-accounting module and a fresh `"pld"` or `"rdp"` accountant."""
    load("dp_query.dp_query")  # one clear sentence where the extra is missing
    import dp_accounting
    from dp_accounting import pld, rdp

    if name == "rdp":
        return dp_accounting, rdp.RdpAccountant()
    return dp_accounting, pld.PLDAccountant()


@functools.cache
def calibrated(
    target_epsilon: float, delta: float, sampling_rate: float, steps: int
) -> float:
    """dp-accounting's smallest noise multiplier that keeps to a target, by Renyi.

    Raises:
        ValueError: If there is none.
    """
    dp_accounting, ledger = accountant("rdp")

    def training(noise_multiplier: float) -> Any:
        noisy = dp_accounting.GaussianDpEvent(noise_multiplier)
        step = dp_accounting.PoissonSampledDpEvent(sampling_rate, noisy)
        return dp_accounting.SelfComposedDpEvent(step, steps)

    search = dp_accounting.mechanism_calibration
    unreachable = (search.NoBracketIntervalFoundError, search.NoOptimumFoundError)
    try:
        return float(
            dp_accounting.calibrate_dp_mechanism(
                type(ledger), training, target_epsilon, delta, tol=1e-5
            )
        )
    except unreachable as error:
        raise ValueError(str(error)) from error


@contextlib.contextmanager
def _skip_package_init() -> Iterator[None]:
    with _LOCK:
        missing = object()
        before = getattr(sys, _HOOK, missing)
        setattr(sys, _HOOK, True)
        try:
            yield
        finally:
            if before is missing:
                delattr(sys, _HOOK)
            else:
                setattr(sys, _HOOK, before)
