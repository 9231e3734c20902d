"""A suite: the cells of a comparison, model x defense x members x seed, from TOML."""

import dataclasses
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from keras_mixup_gan import defenses, storage
from keras_mixup_gan.defenses import Defense, Undefended
from keras_mixup_gan.experiments.checks import (
    BASELINE,
    Setting,
    check_arm,
    check_attacks,
    check_filled,
    check_seeds,
    check_text,
)
from keras_mixup_gan.experiments.pool import COINS, Data
from keras_mixup_gan.models.recipes import list_families, load_recipe
from keras_mixup_gan.privacy.accounting import noise_multiplier_for
from keras_mixup_gan.registry import load_plugins
from keras_mixup_gan.storage import path_of
from keras_mixup_gan.validation import (
    check_choice,
    check_in_range,
    check_integer,
    check_positive,
)

# Inside an installed package, or beside it in a checkout.
_INSTALLED = Path(__file__).resolve().parent / "suites"
_CHECKOUT = Path(__file__).resolve().parents[2] / "benchmarks" / "suites"
SUITES = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
# Reference images that the image quality and usefulness are measured against.
_FEWEST_COMPARED, _FEWEST_USEFUL = 4, 10
_PLUGIN = "--plugin="  # an option of all commands, before their names
_NAME = re.compile(r"\w[\w .+=@-]{0,99}")


@dataclass(frozen=True)
class Cell:
    """One training run and how it is measured: all that its numbers depend on.

    Args:
        name: Folder and label of the cell.
        arm: Name of the defense with its settings.
        group: Name that arms of one defense with other settings share.
        title: What pages call the arm.
        members: Number of members; expected number where coins are thrown.
        seed: Seed of membership, weights, batches, latents and attacks.

    The others are described at `Block` and `Suite`.
    """

    name: str
    model: str = "dcgan"
    arm: str = BASELINE
    group: str = BASELINE
    title: str = "Undefended"
    defense: Defense = Undefended()  # noqa: RUF009 (frozen)
    members: int = 500
    data: Data = Data()  # noqa: RUF009 (frozen)
    num_classes: int | None = None
    width: int | None = None
    seed: int = 0
    batch_size: int = 64
    checkpoints: tuple[int, ...] = (1000,)
    num_samples: int = 10_000
    num_blends: int = 16
    num_generated: int = 5_000
    delta: float = 1e-4
    utility: bool = False
    one_core: bool = True
    attacks: tuple[str, ...] = ()

    def build(self, image_shape: tuple[int, int, int]) -> Any:
        """A fresh model of this cell."""
        return self.defense.build(
            self.model,
            image_shape,
            num_classes=self.num_classes,
            width=self.width,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Block:
    """A part of the grid with one family and one way of training it.

    Args:
        model: Name of a factory of `keras_mixup_gan.zoo`.
        members: Numbers of members; expected numbers where coins are thrown.
        arms: Names of arms of the suite.
        checkpoints: Training steps after which models are measured, ascending.
        num_classes: Of a conditional model; the images then need labels.
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
        if self.shadows == 1 or bool(self.shadows) != bool(self.shadow_arms):
            raise ValueError(
                "Shadow models are at least two, with the defense of each of "
                "`shadow_arms`. Expected both settings, or neither. Received: "
                f"shadows={self.shadows}, shadow_arms={list(self.shadow_arms)}."
            )
        check_filled(members=self.members, arms=self.arms)
        for members in self.members:
            check_integer(2, members=members)
        sizes = {"num_classes": self.num_classes, "width": self.width}
        check_integer(1, **_given(sizes))
        numbers = {"non_members": self.non_members, "reference": self.reference}
        check_integer(2, **_given(numbers))
        check_seeds(seeds=self.seeds)
        steps = (0, *self.checkpoints)
        if not self.checkpoints or any(b <= a for a, b in pairwise(steps)):
            raise ValueError(
                "`checkpoints` of a block must be ascending numbers of steps above 0. "
                f"Received: checkpoints={list(self.checkpoints)}."
            )

    def stopped_at(self, steps: int) -> "Block":
        """The same with the last checkpoint at `steps`."""
        before = tuple(step for step in self.checkpoints if step < steps)
        return dataclasses.replace(self, checkpoints=(*before, steps))


@dataclass(frozen=True)
class Suite:
    """All settings of a comparison.

    Args:
        title: What it is for, in a sentence.
        arms: Settings of each arm: what `defenses.make` takes, `defense` for its name,
            `group` and `title`. `target_epsilon` of a `"dp-sgd"` arm is turned into the
            noise that the cell's number of updates needs.
        blocks: Parts of the grid, in the order in which they are run.
        seeds: Seeds of membership, weights, batches, latents, attacks and, since these
            are benchmarks, of DP-SGD's noise.
        batch_size: Images in a batch; expected number with DP-SGD.
        num_samples: Generated images for the nearest-sample attack.
        num_blends: Blends of each query for the attack that knows mixup.
        num_generated: Generated images for the image quality.
        delta: Delta at which epsilon is reported.
        utility: Whether models are also measured by `usefulness` at the end.
        attacks: Names of the attacks at each checkpoint, in place of LOGAN, its
            versions for mixup and for augmentation, and GAN-Leaks.
        plugins: Modules that register attacks, defenses or data sets that the suite
            names. They are imported from where the suite lies or where packages are
            installed, and may do whatever its user may.
        timed_rounds: Steps of each arm that are timed, all arms taking turns, or 0.
        one_core: Whether one core computes a cell, so that its numbers are the same
            wherever it runs; otherwise all cores, and rounding depends on how many.
        path: What was read; part of the command that repeats the comparison.
        options: Command-line options that changed what was read.

    Raises:
        ValueError: If a block names an arm that there is not, or a setting is out of
            range.
    """

    name: str
    title: str
    data: Data
    arms: Mapping[str, Mapping[str, Setting]]
    blocks: tuple[Block, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    batch_size: int = 64
    num_samples: int = 5_000
    num_blends: int = 8
    num_generated: int = 5_000
    delta: float = 1e-4
    utility: bool = True
    attacks: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    timed_rounds: int = 0
    one_core: bool = True
    path: str = field(default="", compare=False)
    options: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        check_integer(1, batch_size=self.batch_size, num_samples=self.num_samples)
        check_integer(1, num_blends=self.num_blends)
        check_integer(4, num_generated=self.num_generated)
        check_integer(0, timed_rounds=self.timed_rounds)
        check_positive(delta=self.delta)
        check_in_range(0, 1, delta=self.delta)
        check_seeds(seed=self.seeds)
        for settings in self.arms.values():
            for name in settings.keys() & {"noise_multiplier", "target_epsilon"}:
                check_positive(**{name: settings[name]})  # type: ignore[arg-type]
        for block in self.blocks:
            for arm in (*block.arms, *block.shadow_arms):
                check_choice(arm, list(self.arms), "arms")
            for arm in block.shadow_arms:
                check_choice(arm, [BASELINE, *block.arms], "shadow_arms")
            fewest = _FEWEST_USEFUL if self.utility else _FEWEST_COMPARED
            check_integer(fewest, reference=self.data_of(block).reference)
            if min(block.members) < self.batch_size:
                raise ValueError(
                    "`members` must fill at least one batch. Expected at least "
                    f"{self.batch_size}. Received: members={min(block.members)}. Ask "
                    "for more members or lower `batch_size`."
                )
            if block.shadows and self.data.draw != COINS:
                raise ValueError(
                    "Shadow models are trained on halves of the pool that coins are "
                    f"thrown over. Expected draw='{COINS}'. Received: "
                    f"draw={self.data.draw!r} with shadows={block.shadows}."
                )
        self._refuse_ambiguous_names()

    def _check_names(self) -> None:
        """Raises where a name, an arm or an attack could not be used."""
        check_attacks(self.attacks)
        check_filled(seeds=self.seeds, blocks=self.blocks, arms=self.arms)
        check_text("title", self.title)
        for name in (self.name, *self.arms):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    "Names of suites and arms become names of folders. Expected "
                    "letters, digits and any of ' .+=@_-' after the first. Received: "
                    f"{name[:80]!r}. Choose another."
                )
        for name, settings in self.arms.items():
            check_arm(name, settings, self.delta)
        titles = [self.title_of(arm) for arm in self.arms]
        if twice := {title for title in titles if titles.count(title) > 1}:
            raise ValueError(
                "Pages tell arms apart by their titles. Expected one for each. "
                f"Received: {', '.join(map(repr, sorted(twice)))} more than once. Give "
                "another `title`."
            )

    def _refuse_ambiguous_names(self) -> None:
        """Raises where cells of one name, or that a page compares, are not alike."""
        known: dict[str, Any] = {}
        for block in self.blocks:
            alike = (block.num_classes, block.width, self.data_of(block))
            for members in block.members:
                family = f"{block.model}/{members}"
                arms = [(f"{family}/{arm}", block.checkpoints) for arm in block.arms]
                for name, how in [(family, alike), *arms]:
                    if known.setdefault(name, how) != how:
                        raise ValueError(
                            f"Two blocks train {name!r} in different ways. Expected "
                            "one `num_classes`, `width`, `non_members` and `reference` "
                            "for each model and number of members, as its arms are "
                            "compared, and one `checkpoints` for each of these. "
                            f"Received: {known[name]} and {how}. Write a suite of its "
                            "own for one of them."
                        )

    @classmethod
    def read(cls, source: str | Path) -> "Suite":
        """Reads a `.toml` file, or a suite that comes with the library by its name.

        The `plugins` that it names are imported: read no suite that you would not run.

        Raises:
            ValueError: If there is no such file, or it does not describe a suite.
        """
        path = path_of(source)
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
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"The suite {str(path)!r} is no TOML. Received: {error}."
            ) from error
        try:
            for name in content.keys() & {"path", "options"}:
                raise TypeError(f"received unknown key {name!r}")
            content = {"name": path.stem, **content, "path": str(source), "options": []}
            suite: Suite = storage.decode(
                cls, {"data": {}, "arms": {}, "blocks": [], **content}
            )
        except TypeError as error:
            raise ValueError(
                f"The suite {str(path)!r} does not describe one: {error}."
            ) from error
        load_plugins(suite.plugins, path.absolute().parent)
        suite._check_names()
        return suite

    def cells(self, block: Block) -> Iterator[Cell]:
        """The cells of a block: seed by seed, so that pairs are complete early."""
        seeds = self.seeds_of(block)
        for members, seed, arm in product(block.members, seeds, block.arms):
            yield self.cell(block, members, arm, seed)

    def seeds_of(self, block: Block) -> tuple[int, ...]:
        """The seeds of a block."""
        return block.seeds or self.seeds

    def cell(self, block: Block, members: int, arm: str, seed: int) -> Cell:
        """One cell of a block."""
        return Cell(
            f"{block.model}/{members}/{arm}/{seed}",
            model=block.model,
            arm=arm,
            group=str(self.arms[arm].get("group", arm)),
            title=self.title_of(arm),
            defense=self.defense(block, members, arm, seed),
            members=members,
            data=self.data_of(block),
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
            one_core=self.one_core,
            attacks=self.attacks,
        )

    def data_of(self, block: Block) -> Data:
        """The images of a block."""
        return dataclasses.replace(
            self.data,
            non_members=block.non_members or self.data.non_members,
            reference=block.reference or self.data.reference,
        )

    def title_of(self, arm: str) -> str:
        """What pages call an arm: its `title`, or that of the defense of its name."""
        named = defenses.DEFENSES.get(arm)
        return str(self.arms[arm].get("title", named.title if named else arm))

    def defense(self, block: Block, members: int, arm: str, seed: int) -> Defense:
        """The defense of an arm; DP-SGD with the noise that its target takes."""
        settings: dict[str, Any] = dict(self.arms[arm])
        for name in ("group", "title"):
            settings.pop(name, None)
        name = settings.pop("defense", arm)
        if name == "dp-sgd":
            settings |= {"noise_seed": seed, "num_examples": members}
            target = settings.pop("target_epsilon", None)
            if target is not None:
                recipe = load_recipe(block.model)["model"]
                usual = recipe.get("critic_steps", 1)
                turns = settings.get("discriminator_steps", usual)
                updates = block.checkpoints[-1] * turns
                settings["noise_multiplier"] = noise_multiplier_for(
                    target, self.delta, self.batch_size / members, updates
                )
        return defenses.make(name, **settings)

    @property
    def one_seed(self) -> bool:
        """Whether there is a single seed, so that nothing is known of other ones."""
        seeds = {seed for block in self.blocks for seed in self.seeds_of(block)}
        return len(seeds or set(self.seeds)) == 1

    @property
    def command(self) -> str:
        """What to type to repeat the comparison."""
        named = {"compare": [], "quick": ["--quick"]}
        suite = named.get(self.path, ["--suite", self.path])
        plugins = [each for each in self.options if each.startswith(_PLUGIN)]
        options = [each for each in self.options if each not in plugins]
        words = ["keras-mixup-gan", *plugins, "compare", *suite, *options]
        return shlex.join(words)

    def changed(
        self,
        *,
        data: str | None = None,
        image_size: int | None = None,
        members: int | None = None,
        non_members: int | None = None,
        reference: int | None = None,
        noise_multiplier: float | None = None,
        steps: int | None = None,
        seed: int | None = None,
        plugins: Sequence[str] = (),
    ) -> "Suite":
        """The same comparison with options of the command line; see `cli.compare`.

        They hold for all blocks, but for numbers of non-members and of reference images
        where a block has its own; `options` says what was changed. `plugins` are those
        that were loaded beside the suite's own.
        """
        given = {
            name: value
            for name, value in locals().items()
            if name not in ("self", "plugins") and value is not None
        }
        options = [f"{_PLUGIN}{name}" for name in plugins]
        options += [f"--{name.replace('_', '-')}={v}" for name, v in given.items()]
        parts: dict[str, Any] = {
            name: given[name]
            for name in ("data", "non_members", "reference")
            if name in given
        }
        if image_size is not None:
            parts["image_shape"] = (image_size, image_size, 3)
        arms = dict(self.arms)
        if noise_multiplier is not None:
            private = [n for n in arms if arms[n].get("defense", n) == "dp-sgd"]
            aimed = [name for name in private if "target_epsilon" in arms[name]]
            if aimed or not private:
                raise ValueError(
                    "`noise_multiplier` is for arms of DP-SGD that are given their "
                    "noise. Expected no `target_epsilon`, from which it follows. "
                    f"Received: noise_multiplier={noise_multiplier}, and "
                    f"{f'targets of {aimed}' if aimed else 'no such arm'}. Leave it "
                    "out, or write a suite."
                )
            for name in private:
                arms[name] = {**arms[name], "noise_multiplier": noise_multiplier}
        blocks = self.blocks
        if seed is not None:
            blocks = tuple(dataclasses.replace(b, seeds=()) for b in blocks)
        if members is not None:
            blocks = tuple(dataclasses.replace(b, members=(members,)) for b in blocks)
        if steps is not None:
            check_integer(1, steps=steps)
            blocks = tuple(block.stopped_at(steps) for block in blocks)
        return dataclasses.replace(
            self,
            data=dataclasses.replace(self.data, **parts),
            arms=arms,
            blocks=blocks,
            seeds=self.seeds if seed is None else (seed,),
            options=(*self.options, *options),
        )


def _given(values: Mapping[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}
