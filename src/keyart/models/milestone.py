"""The two networks of the 2017 study, layer by layer as its tables list them.

The study squashed posters to 128x128; other sizes work too. The tests hold every layer's shape and
parameter count.
"""

from torch import Tensor, nn

from keyart.models.dropout import Dropout
from keyart.models.heads import DenseHead

SIZE = 128
_DROPOUT = 0.2


class ScratchConvolutions(nn.Sequential):
    """The first network's six unpadded convolutions.

    Takes (films, 3, 128, 128), returns (films, 128, 26, 26); `scratch_map` has the map's size for
    other posters.
    """

    channels = 128

    def __init__(self, dropout: float = _DROPOUT) -> None:
        super().__init__(
            Dropout(dropout),  # on the pixels themselves, as in the study
            *_conv_relu(3, 64, 5),
            *_conv_relu(64, 64, 5),
            *_conv_relu(64, 64, 5),
            nn.MaxPool2d(2),
            Dropout(dropout),
            *_conv_relu(64, 128, 3),
            *_conv_relu(128, 128, 3),
            *_conv_relu(128, 128, 3),
            nn.MaxPool2d(2),
            Dropout(dropout),
        )
        start_like_keras(self)


def scratch_map(side: int) -> int:
    """Height or width of the first network's last map, for posters of that height or width."""
    return ((side - 12) // 2 - 6) // 2


def scratch_head(
    genres: int, dropout: float = _DROPOUT, *, height: int = SIZE, width: int = SIZE
) -> DenseHead:
    """The first network's dense layers; with its convolutions 22,866,707 weights for 19 genres."""
    places = scratch_map(height) * scratch_map(width)
    inputs = places * ScratchConvolutions.channels
    head = DenseHead(inputs, (256, 256, 256), genres, (dropout, dropout, 0.0))
    start_like_keras(head)
    return head


class Vgg16Convolutions(nn.Sequential):
    """VGG16's thirteen convolutions (Simonyan and Zisserman 2014, configuration D); 14,714,688.

    Takes (films, 3, height, width), returns (films, 512, height / 32, width / 32). The layers have
    the same numbers as in `features` of timm and torchvision, so their weights load as they are.
    """

    channels = 512

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        inputs = 3
        for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        super().__init__(*layers)


def vgg16_head(
    genres: int, dropout: float = 0.5, *, height: int = SIZE, width: int = SIZE
) -> DenseHead:
    """The study's head on VGG16's map of 4x4x512: two layers of 4,096; 50,417,683 weights."""
    inputs = Vgg16Convolutions.channels * (height // 32) * (width // 32)
    head = DenseHead(inputs, (4096, 4096), genres, (dropout, dropout))
    start_like_keras(head)
    return head


def start_like_keras(network: nn.Module) -> None:
    """Set Glorot-uniform weights and zero biases: the defaults of Keras, which the study used."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            assert isinstance(layer.bias, Tensor)
            nn.init.zeros_(layer.bias)


def _conv_relu(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, kernel), nn.ReLU()
