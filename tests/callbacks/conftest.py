import numpy as np
import pytest

from tests.models.tiny import NUM_CLASSES, make, random_images, random_labels

IMAGES, LABELS = random_images(16), random_labels(16)


class Trainer:
    """A model whose training starts anew from the same state without a new graph."""

    def __init__(self, **arguments):
        self.model = make(**arguments)
        self.labels = None if self.model.num_classes is None else LABELS
        self._start = [np.array(variable) for variable in self._variables()]

    def _variables(self):
        model = self.model
        optimizers = (model.g_optimizer, model.d_optimizer)
        return [*model.weights, *(v for o in optimizers for v in o.variables)]

    def restart(self):
        for variable, value in zip(self._variables(), self._start, strict=True):
            variable.assign(value)
        return self

    def fit(self, *callbacks, epochs=1, **arguments):
        """Trains for two steps an epoch and returns the history of the logs."""
        done = self.model.fit(
            IMAGES,
            self.labels,
            8,
            epochs,
            callbacks=list(callbacks),
            verbose=0,
            **arguments,
        )
        return done.history


@pytest.fixture(scope="session")
def _trainers():
    return Trainer(), Trainer(num_classes=NUM_CLASSES)


@pytest.fixture
def trainer(_trainers):
    """Of an untrained model."""
    return _trainers[0].restart()


@pytest.fixture
def conditional(_trainers):
    """Of an untrained conditional model."""
    return _trainers[1].restart()
