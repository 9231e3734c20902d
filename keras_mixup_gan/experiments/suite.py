"""A suite: the cells of a grid, model x defense x members x seed, read from TOML."""

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from keras_mixup_gan import defenses
from keras_mixup_gan.defenses import Defense
from keras_mixup_gan.experiments.cell import Cell
from keras_mixup_gan.experiments.pool import draw_game
from keras_mixup_gan.models.recipes import list_families, load_recipe
from keras_mixup_gan.privacy.accounting import noise_multiplier_for
from keras_mixup_gan.validation import check_choice, check_integer

# Inside an installed package, or beside it in a checkout.
_INSTALLED = Path(__file__).resolve().parent / "suites"
_CHECKOUT = Path(__file__).resolve().parents[2] / "benchmarks" / "suites"
SUITES = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Data:
    """Images, and how many of them play which part; see `draw_game`.

    Args:
        data: What `data.load_images` takes.
        image_shape: `(height, width, channels)` to bring the images to, or `None`.
        non_members: Expected number of non-members that are queried.
        reference: Number of images for attackers and for image quality.
        data_dir: Where data sets of tfds are kept.
    """

    data: str = "digits"
    image_shape: tuple[int, int, int] | None = None
    non_members: int = 1_000
    reference: int = 2_000
    data_dir: str | None = None

    def game(self, members: int, seed: int) -> Any:
        """The split of a cell and how much of it is the pool."""
        return draw_game(
            self.data,
            self.image_shape,
            members,
            self.non_members,
            self.reference,
            seed,
            self.data_dir,
        )


@dataclass(frozen=True)
class GridCell:
    """A cell and its place in the grid.

    Args:
        cell: What is trained and how it is measured.
        arm: Name of the defense with its settings.
        group: Name that arms of one defense with other settings share.
        members: Expected number of members.
        data: The images.
    """

    cell: Cell
    arm: str
    group: str
    members: int
    data: Data


@dataclass(frozen=True)
class Block:
    """A part of the grid with one family and one way of training it.

    Args:
        model: Name of a factory of `keras_mixup_gan.zoo`.
        members: Expected numbers of members.
        arms: Names of arms of the suite.
        checkpoints: Training steps after which models are measured, ascending.
        num_classes: Classes of a conditional model, or `None`.
        width: Width of the networks; the recipe's by default.
        shadows: Number of shadow models of each kind for LiRA, or 0 for none.
        shadow_arms: Arms whose defense shadow models are trained with.
        non_members: Instead of the data's.
        reference: Instead of the data's.
        seeds: Instead of the suite's.
    """

    model: str
    members: tuple[int, ...]
    arms: tuple[str, ...]
    checkpoints: tuple[int, ...]
    num_classes: int | None = None
    width: int | None = None
    shadows: int = 0
    shadow_arms: tuple[str, ...] = ()
    non_members: int | None = None
    reference: int | None = None
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_choice(self.model, list_families(), "model")
        check_integer(0, shadows=self.shadows)
        for members in self.members:
            check_integer(2, members=members)
        for seed in self.seeds:
            check_integer(0, seeds=seed)
        steps = (0, *self.checkpoints)
        if not self.checkpoints or any(b <= a for a, b in pairwise(steps)):
            raise ValueError(
                "`checkpoints` of a block must be ascending numbers of steps above 0. "
                f"Received: checkpoints={list(self.checkpoints)}."
            )


@dataclass(frozen=True)
class Suite:
    """All settings of a grid.

    Args:
        name: Name of the suite.
        title: What it is for, in a sentence.
        data: The images.
        arms: Settings of each arm: what `defenses.make` takes, `defense` for its name,
            and `group`. `target_epsilon` of a `"dp-sgd"` arm is turned into the noise
            that the cell's number of updates needs.
        blocks: Parts of the grid, in the order in which they are run.
        seeds: Seeds of membership, weights, batches, latents, attacks and, since these
            are benchmarks, of DP-SGD's noise.
        batch_size: Images in a batch.
        num_samples: Generated images for the nearest-sample attack.
        num_blends: Blends of each query for the attack that knows mixup.
        num_generated: Generated images for the image quality.
        delta: Delta at which epsilon is reported.
        utility: Whether models are also measured by `usefulness` at the end.

    Raises:
        ValueError: If a block names an arm that there is not, or a setting is out of
            range.
    """

    name: str
    title: str
    data: Data
    arms: Mapping[str, Settings]
    blocks: tuple[Block, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    batch_size: int = 64
    num_samples: int = 5_000
    num_blends: int = 8
    num_generated: int = 5_000
    delta: float = 1e-4
    utility: bool = True
    path: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        check_integer(1, batch_size=self.batch_size, num_samples=self.num_samples)
        check_integer(1, num_blends=self.num_blends, num_generated=self.num_generated)
        for block in self.blocks:
            for arm in (*block.arms, *block.shadow_arms):
                check_choice(arm, list(self.arms), "arms")
            if min(block.members) < self.batch_size:
                raise ValueError(
                    "`members` must fill at least one batch. Expected at least "
                    f"{self.batch_size}. Received: members={min(block.members)}."
                )

        self._refuse_ambiguous_names()

    def _refuse_ambiguous_names(self) -> None:
        """Raises where two blocks train different cells under one name."""
        trained: dict[Any, Any] = {}
        for block in self.blocks:
            how = (
                block.checkpoints,
                block.num_classes,
                block.width,
                self.data_of(block),
            )
            for members, arm in product(block.members, block.arms):
                name = f"{block.model}/{members}/{arm}"
                if trained.setdefault(name, how) != how:
                    raise ValueError(
                        f"Two blocks train {name!r} in different ways. Expected one "
                        "way for each model, number of members and arm. Received: "
                        f"{trained[name]} and {how}. Make an arm of another name."
                    )

    @classmethod
    def read(cls, source: str | Path) -> "Suite":
        """Reads a suite.

        Args:
            source: A `.toml` file, or the name of one in `benchmarks/suites`.

        Returns:
            The suite.

        Raises:
            ValueError: If there is no such file, or it does not describe a suite.
        """
        path = Path(source)
        if path.suffix != ".toml":
            path = SUITES / f"{source}.toml"
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            known = sorted(one.stem for one in SUITES.glob("*.toml"))
            raise ValueError(
                f"There is no suite {str(source)!r}. Expected a .toml file, or one of "
                f"{', '.join(map(repr, known))}. Received: {error}."
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(
                f"The suite {str(path)!r} is no TOML. Received: {error}."
            ) from error
        blocks = content.pop("blocks", [])
        data, arms = content.pop("data", {}), content.pop("arms", {})
        suite = {"name": path.stem, "path": str(source), **content}
        return _made(
            cls,
            suite,
            path,
            data=_made(Data, data, path),
            arms=arms,
            blocks=tuple(_made(Block, block, path) for block in blocks),
        )

    def cells(self, block: Block) -> Iterator[GridCell]:
        """The cells of a block: seed by seed, so that pairs are complete early."""
        seeds = self.seeds_of(block)
        for members, seed, arm in product(block.members, seeds, block.arms):
            yield self.cell(block, members, arm, seed)

    def seeds_of(self, block: Block) -> tuple[int, ...]:
        """The seeds of a block."""
        return block.seeds or self.seeds

    def cell(self, block: Block, members: int, arm: str, seed: int) -> GridCell:
        """One cell of a block."""
        cell = Cell(
            f"{block.model}/{members}/{arm}/{seed}",
            model=block.model,
            defense=self.defense(block, members, arm, seed),
            num_classes=block.num_classes,
            width=block.width,
            seed=seed,
            batch_size=self.batch_size,
            checkpoints=block.checkpoints,
            num_samples=self.num_samples,
            num_blends=self.num_blends,
            num_generated=self.num_generated,
            delta=self.delta,
            utility=self.utility,
        )
        group = str(self.arms[arm].get("group", arm))
        return GridCell(cell, arm, group, members, self.data_of(block))

    def data_of(self, block: Block) -> Data:
        """The images of a block."""
        return dataclasses.replace(
            self.data,
            non_members=block.non_members or self.data.non_members,
            reference=block.reference or self.data.reference,
        )

    def defense(self, block: Block, members: int, arm: str, seed: int) -> Defense:
        """The defense of an arm; DP-SGD with the noise that its target takes."""
        settings = dict(self.arms[arm])
        settings.pop("group", None)
        name = settings.pop("defense", arm)
        if name == "dp-sgd":
            settings |= {"noise_seed": seed, "num_examples": members}
            target = settings.pop("target_epsilon", None)
            if target is not None:
                recipe = load_recipe(block.model)["model"]
                updates = block.checkpoints[-1] * recipe.get("critic_steps", 1)
                settings["noise_multiplier"] = noise_multiplier_for(
                    target, self.delta, self.batch_size / members, updates
                )
        return defenses.make(name, **settings)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        content = dataclasses.asdict(self)
        content["command"] = f"python -m benchmarks.compare --suite {self.path}"
        return content


def _made(kind: Any, content: Any, path: Path, **given: Any) -> Any:
    """A dataclass from a table of a TOML file, lists as tuples."""
    names = {one.name for one in dataclasses.fields(kind)}
    unknown = sorted(set(content) - names)
    needed = {
        one.name
        for one in dataclasses.fields(kind)
        if one.default is dataclasses.MISSING
    }
    missing = sorted(needed - set(content) - set(given))
    if unknown or missing:
        wrong = [f"unknown key {key!r}" for key in unknown]
        wrong += [f"no key {key!r}" for key in missing]
        raise ValueError(
            f"The suite {str(path)!r} does not describe a {kind.__name__.lower()}. "
            f"Expected keys {', '.join(sorted(names))}. Received: {', '.join(wrong)}."
        )
    values = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in content.items()
    }
    return kind(**values, **given)
