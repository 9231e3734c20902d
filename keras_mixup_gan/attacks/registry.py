"""The attacks by name, and those that an audit runs by default."""

from collections.abc import Collection

from keras_mixup_gan.attacks.base import ATTACKS as ATTACKS


def default_attacks(given: Collection[str] = ()) -> tuple[str, ...]:
    """Names of the attacks that an audit runs by default.

    Args:
        given: What the audit is given, in the words of `Attack.default_with`.

    Returns:
        The names, those of attacks that need nothing in particular first.
    """
    found = [
        (len(kind.default_with), name)
        for name, kind in ATTACKS.items()
        if kind.default_with is not None and kind.default_with <= set(given)
    ]
    return tuple(name for _, name in sorted(found, key=lambda pair: pair[0]))
