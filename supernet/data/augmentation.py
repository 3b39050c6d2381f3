"""Random changes of an image batch that leave its boxes valid, or move them along."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random, image by image.

    Attributes:
        brightness: largest relative change of brightness, 0.3 is 0.7 to 1.3; 0 is off.
        permute_channels: whether the colour channels are shuffled.
        flip: whether half of the images are mirrored left to right. Digits must not be.
    """

    brightness: float = 0.3
    permute_channels: bool = True
    flip: bool = False


def augment(pixels: Tensor, augmentation: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the changed images and which of them are mirrored, (B,) bool.

    Args:
        pixels: (B, 3, H, W) float32 in 0..1.
        augmentation: what to change.
        generator: of the randomness.
    """
    count = len(pixels)
    if augmentation.permute_channels:
        order = torch.rand(count, 3, generator=generator).argsort(1)
        pixels = pixels[torch.arange(count)[:, None], order]
    if augmentation.brightness:
        drawn = torch.rand(count, 1, 1, 1, generator=generator)
        pixels = pixels * (1 + augmentation.brightness * (2 * drawn - 1))
    mirrored = torch.zeros(count, dtype=torch.bool)
    if augmentation.flip:
        mirrored = torch.rand(count, generator=generator) < 0.5
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    return pixels.clamp(0, 1), mirrored
