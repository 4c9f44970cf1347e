import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regsearch.errors import SpecError
from regsearch.models.googlenet import Branches, GoogLeNet, Inception, build


def test_it_is_the_published_cifar_network_without_idle_biases() -> None:
    with torch.device("meta"):
        model = build(GoogLeNet(), (3, 32, 32), 10)
        assert model(torch.empty(2, 3, 32, 32)).shape == (2, 10)
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert all(layer.bias is None for layer in convolutions)
    biases = sum(layer.out_channels for layer in convolutions)
    assert sum(param.numel() for param in model.parameters()) + biases == 6_166_250


def test_the_cells_have_the_widths_of_the_paper() -> None:
    with torch.device("meta"):
        model = build(GoogLeNet(), (3, 32, 32), 10)
        x, widths = torch.empty(2, 3, 32, 32), []
        for layer in model.children():
            x = layer(x)
            widths += [(x.shape[1], x.shape[2])] if isinstance(layer, Inception) else []
    assert [width for width, _ in widths] == [256, 480, 512, 512, 512, 528, 832, 832, 1024]
    assert [side for _, side in widths] == [32] * 2 + [16] * 5 + [8] * 2


def test_a_cell_is_four_branches_side_by_side() -> None:
    cell = Inception(5, Branches(2, 3, 4, 2, 3, 1)).double()
    x = torch.randn(6, 5, 7, 7, dtype=torch.float64)
    kernels = [param.detach() for param in cell.parameters() if param.ndim == 4]

    def conv(x: Tensor, kernel: Tensor) -> Tensor:
        z = F.conv2d(x, kernel, padding=kernel.shape[2] // 2)
        mean, var = z.mean((0, 2, 3), keepdim=True), z.var((0, 2, 3), False, keepdim=True)
        return ((z - mean) / (var + 1e-5).sqrt()).clamp_min(0)

    one, a3, three, a5, five, six, pooled = kernels
    around = F.max_pool2d(x, 3, stride=1, padding=1)
    wanted = [
        conv(x, one),
        conv(conv(x, a3), three),
        conv(conv(conv(x, a5), five), six),
        conv(around, pooled),
    ]
    torch.testing.assert_close(cell(x).detach(), torch.cat(wanted, 1))


def test_its_width_scales_every_layer() -> None:
    model = build(GoogLeNet(width=24), (1, 8, 8), 10)
    *_, head = model.children()
    assert head.in_features == 1024 // 8
    assert build(GoogLeNet(width=1), (1, 8, 8), 10)(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_examples_that_are_no_images_are_refused() -> None:
    with pytest.raises(SpecError, match=r"googlenet needs images .* shape \(64,\)"):
        build(GoogLeNet(), (64,), 10)
