"""The DCGAN of the zoo in PyTorch, for comparing what training costs.

`benchmarks/speed.py` starts this file in an environment that has PyTorch, tells it how
many steps to take, and reads the seconds that they took:

    python benchmarks/torch_loop.py IMAGES.npy BATCH_SIZE [channels_last] [compile]

Layers, losses, batches, numbers of updates and the averaged generator are those of
`zoo.dcgan(norm="layer")` for 28 x 28 pixels; the random numbers are PyTorch's own.
"""

import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

LATENT_DIM, WIDTH, EMA_MOMENTUM = 64, 32, 0.999


class ChannelNorm(nn.LayerNorm):
    """Layer normalization of each pixel over its channels, as Keras' is."""

    def forward(self, x: Any) -> Any:
        """Normalizes `(batch, channels, height, width)`."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def make_generator() -> nn.Module:
    """Latents to images through transposed convolutions."""
    return nn.Sequential(
        nn.Linear(LATENT_DIM, 7 * 7 * 2 * WIDTH, bias=False),
        nn.Unflatten(1, (2 * WIDTH, 7, 7)),
        nn.BatchNorm2d(2 * WIDTH),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, 2, 1, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(),
        nn.ConvTranspose2d(WIDTH, 1, 4, 2, 1),
        nn.Tanh(),
    )


def make_discriminator() -> nn.Module:
    """Images to raw scores through strided convolutions."""
    return nn.Sequential(
        nn.Conv2d(1, WIDTH, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1),
        ChannelNorm(2 * WIDTH, eps=1e-3),
        nn.LeakyReLU(0.2),
        nn.ZeroPad2d((1, 2, 1, 2)),  # from 7 to 4 pixels, as "same" padding does
        nn.Conv2d(2 * WIDTH, 4 * WIDTH, 4, 2),
        ChannelNorm(4 * WIDTH, eps=1e-3),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(4 * 4 * 4 * WIDTH, 1),
    )


class Training:
    """Networks, optimizers and the step."""

    def __init__(self, images: Any, batch_size: int, options: set[str]) -> None:
        is_last = "channels_last" in options
        self.format = torch.channels_last if is_last else torch.contiguous_format
        self.images = torch.from_numpy(
            np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        )
        self.batch_size = batch_size
        generator, discriminator, average = (
            network.to(memory_format=self.format)
            for network in (make_generator(), make_discriminator(), make_generator())
        )
        self.generator, self.discriminator = generator, discriminator
        self.average = average.requires_grad_(False)
        settings: dict[str, Any] = {"lr": 4e-4, "betas": (0.5, 0.999), "fused": True}
        self.of_generator = torch.optim.Adam(generator.parameters(), **settings)
        self.of_discriminator = torch.optim.Adam(discriminator.parameters(), **settings)
        self.losses = self.discriminator_loss, self.generator_loss
        if "compile" in options:
            self.losses = tuple(map(torch.compile, self.losses))
        self.order = self.permuted()

    def permuted(self) -> list[Any]:
        """The batches of an epoch; what fills none is left out."""
        order = torch.randperm(len(self.images))
        return [
            rows
            for rows in order.split(self.batch_size)
            if len(rows) == self.batch_size
        ]

    def latents(self) -> Any:
        """Latents of a batch."""
        return torch.randn(self.batch_size, LATENT_DIM)

    def discriminator_loss(self, reals: Any, latents: Any) -> Any:
        """`-log D(x) - log(1 - D(G(z)))`, reals and fakes scored in one pass."""
        with torch.no_grad():
            fakes = self.generator(latents)
        real, fake = self.discriminator(torch.cat([reals, fakes])).chunk(2)
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator_loss(self, latents: Any) -> Any:
        """The non-saturating `-log D(G(z))`."""
        return F.softplus(-self.discriminator(self.generator(latents))).mean()

    def step(self) -> None:
        """One update of both networks, and of the averaged generator."""
        if not self.order:
            self.order = self.permuted()
        reals = self.images[self.order.pop()].contiguous(memory_format=self.format)
        of_discriminator, of_generator = self.losses

        self.discriminator.requires_grad_(True)
        self.of_discriminator.zero_grad(set_to_none=True)
        of_discriminator(reals, self.latents()).backward()
        self.of_discriminator.step()

        self.discriminator.requires_grad_(False)
        self.of_generator.zero_grad(set_to_none=True)
        of_generator(self.latents()).backward()
        self.of_generator.step()

        with torch.no_grad():
            pair = self.average, self.generator
            averages, weights = ([*network.parameters()] for network in pair)
            torch._foreach_lerp_(averages, weights, 1 - EMA_MOMENTUM)
            statistics = (network.buffers() for network in pair)
            for kept, newest in zip(*statistics, strict=True):
                kept.copy_(newest)


def main() -> None:
    """Takes as many steps as each line of the input says, and prints their seconds."""
    path, batch_size, *options = sys.argv[1:]
    torch.manual_seed(0)
    training = Training(np.load(path), int(batch_size), set(options))
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            training.step()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
