import pytest
import torch
from torch import Tensor, nn

from regsearch.errors import SpecError
from regsearch.models import Words
from regsearch.models.lstm import Lstm, Recurrent, build, embed

PADDING = 1


def small(**values: object) -> Recurrent:
    sizes = {"vocabulary": 9, "dimension": 5, "hidden": 6, "padding": PADDING}
    model = build(Lstm.model_validate({**sizes, **values}), (7,), 3).double()
    assert isinstance(model, Recurrent)
    return model


def texts(*lengths: int) -> Tensor:
    """Words from 2 on, padded at the end to seven."""
    tokens = torch.full((len(lengths), 7), PADDING)
    for row, length in zip(tokens, lengths, strict=True):
        row[:length] = torch.randint(2, 9, (length,))
    return tokens


def by_torch(model: Recurrent, tokens: Tensor) -> Tensor:
    """States ``[N, T, hidden]`` of torch's own LSTM with the same weights."""
    oracle = nn.LSTM(5, 6, batch_first=True).double()
    oracle.load_state_dict({f"{key}_l0": t for key, t in model.cell.state_dict().items()})
    states: Tensor = oracle(model.embed(tokens))[0]
    return states.detach()


def answers(model: Recurrent, states: Tensor) -> Tensor:
    """What the formula makes of the states of one text, ``[T, hidden]``."""
    summary = states[-1]
    if model.attention:
        shares = (states @ states[-1]).softmax(0)
        summary = sum((a * h for a, h in zip(shares, states, strict=True)), torch.zeros(6))
    return (model.head.weight @ summary + model.head.bias).detach()


@pytest.mark.parametrize("attention", [True, False])
def test_output_is_the_formula_on_the_states_of_torchs_lstm(attention: bool) -> None:
    model, tokens = small(attention=attention), texts(7, 4, 1)
    wanted = torch.stack([answers(model, states) for states in by_torch(model, tokens)])
    torch.testing.assert_close(model(tokens).detach(), wanted)


@pytest.mark.parametrize("attention", [True, False])
def test_masked_padding_leaves_what_the_bare_text_gives(attention: bool) -> None:
    model, lengths = small(attention=attention, mask_padding=True), [7, 4, 1]
    tokens = texts(*lengths)
    bare = [
        answers(model, by_torch(model, row[None, :length])[0])
        for row, length in zip(tokens, lengths, strict=True)
    ]
    torch.testing.assert_close(model(tokens).detach(), torch.stack(bare))
    assert model(texts(0)).isfinite().all()


def test_the_papers_sizes_and_their_number_of_parameters() -> None:
    with torch.device("meta"):
        model = build(Lstm(vocabulary=1000), (200,), 2)
    lstm = 4 * 256 * (300 + 256) + 2 * 4 * 256
    assert sum(p.numel() for p in model.parameters()) == 1000 * 300 + lstm + 256 * 2 + 2


def test_initial_vectors_are_standard_normal_and_weights_within_torchs_bound() -> None:
    model = build(Lstm(vocabulary=500, hidden=16), (4,), 2)
    assert isinstance(model, Recurrent)
    table = next(model.embed.parameters()).detach()
    assert float(table.mean()) == pytest.approx(0, abs=0.02)
    assert float(table.std()) == pytest.approx(1, abs=0.02)
    assert 0.24 < float(model.cell.weight_ih.detach().abs().max()) <= 0.25  # 1 / sqrt(16)


def test_vectors_that_do_not_learn_are_no_parameters() -> None:
    torch.manual_seed(1)
    learning = small()
    torch.manual_seed(1)
    frozen = small(trainable=False)
    assert "embed.weight" in dict(learning.named_parameters())
    assert not [name for name, _ in frozen.named_parameters() if name.startswith("embed")]
    assert torch.equal(frozen.get_buffer("embed.table"), learning.get_parameter("embed.weight"))
    tokens = texts(7, 3)
    assert torch.equal(frozen(tokens), learning(tokens))


def test_half_precision_keeps_its_memory_in_full() -> None:
    model, tokens = small().float(), texts(7, 5)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(tokens)
    torch.testing.assert_close(outputs.float(), model(tokens), atol=0.02, rtol=0.02)


def test_images_are_refused() -> None:
    with pytest.raises(SpecError, match=r"lstm needs sequences of tokens, .* \(1, 8, 8\)"):
        build(Lstm(), (1, 8, 8), 10)


def words(number: int, dimension: int | None) -> Words:
    return Words(number, None if dimension is None else torch.randn(number, dimension))


@pytest.mark.parametrize("trainable", [True, False])
def test_known_vectors_replace_the_random_ones_word_by_word(trainable: bool) -> None:
    config = Lstm(vocabulary=9, dimension=4, hidden=3, embedding="known", trainable=trainable)
    model = build(config, (5,), 2)
    [before] = [t.clone() for name, t in model.state_dict().items() if name.startswith("embed.")]
    known = words(6, 4)
    embed(model, config, known)
    [table] = [t for name, t in model.state_dict().items() if name.startswith("embed.")]
    assert known.vectors is not None
    assert torch.equal(table[:6], known.vectors)
    assert torch.equal(table[6:], before[6:])


def test_random_vectors_stay_whatever_is_known() -> None:
    config = Lstm(vocabulary=9, dimension=4, hidden=3)
    model = build(config, (5,), 2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    embed(model, config, words(9, 7))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (words(10, 4), "vocabulary 9 is less than the data's 10 words"),
        (words(9, None), r"vectors of dimension 4, there is none; .*dataset\.vectors"),
        (words(9, 5), "vectors of dimension 4, there is 5 numbers a word"),
    ],
)
def test_words_that_do_not_fit_are_refused(known: Words, message: str) -> None:
    config = Lstm(vocabulary=9, dimension=4, hidden=3, embedding="known")
    with pytest.raises(SpecError, match=message):
        embed(build(config, (5,), 2), config, known)
