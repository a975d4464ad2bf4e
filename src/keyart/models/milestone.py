"""The two networks of the 2017 study, layer by layer as its tables list them.

Both take 128x128 squashed posters. The tests hold every layer's shape and parameter count.
"""

from torch import Tensor, nn

SIZE = 128
_DROPOUT = 0.2


class MilestoneScratch(nn.Sequential):
    """The network from scratch: six unpadded convolutions, three dense layers; 22,866,707 weights.

    Takes (films, 3, 128, 128), gives logits (films, genres).
    """

    def __init__(self, genres: int, dropout: float = _DROPOUT) -> None:
        super().__init__(
            nn.Dropout(dropout),  # on the pixels themselves, as the study had it
            *_conv_relu(3, 64, 5),
            *_conv_relu(64, 64, 5),
            *_conv_relu(64, 64, 5),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            *_conv_relu(64, 128, 3),
            *_conv_relu(128, 128, 3),
            *_conv_relu(128, 128, 3),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(26 * 26 * 128, 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Linear(256, genres),
        )
        _start_like_keras(self)


class MilestoneHead(nn.Sequential):
    """What the study put on VGG16's convolutions: two dense layers of 4,096; 50,417,683 weights.

    Takes VGG16's last map (films, 512, 4, 4), gives logits (films, genres).
    """

    def __init__(self, genres: int, dropout: float = 0.5) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(512 * 4 * 4, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, genres),
        )
        _start_like_keras(self)


class Vgg16Convolutions(nn.Sequential):
    """VGG16's thirteen convolutions (Simonyan and Zisserman 2014, configuration D); 14,714,688.

    Takes (films, 3, height, width), gives (films, 512, height / 32, width / 32). The layers stand
    at the same numbers as in timm's and torchvision's `features`: their weights load as they are.
    """

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        inputs = 3
        for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        super().__init__(*layers)
        self.channels = inputs


def _conv_relu(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, kernel), nn.ReLU()


def _start_like_keras(network: nn.Module) -> None:
    """Glorot-uniform weights and zero biases: the defaults of the library that the study used."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            assert isinstance(layer.bias, Tensor)
            nn.init.zeros_(layer.bias)
