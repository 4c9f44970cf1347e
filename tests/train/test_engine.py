from __future__ import annotations

import pytest
import torch

from regsearch.errors import RegsearchError
from regsearch.train.engine import Engine


def test_one_thread_and_no_denormals() -> None:
    assert Engine().prepare() == torch.device("cpu")
    assert torch.get_num_threads() == 1
    tiny = torch.full((4,), 1e-38) * 1e-3
    assert torch.equal(tiny, torch.zeros(4))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_gpu_is_a_users_mistake_not_a_bug() -> None:
    with pytest.raises(RegsearchError, match="no GPU here; use 'cpu'"):
        Engine(device="cuda").prepare()
