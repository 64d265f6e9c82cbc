"""Real trainers and a real checkpoint: fresh runs are initialised once, resumed and loaded weights are kept bit for bit."""

from __future__ import annotations

import doctest
import importlib
from importlib.metadata import distribution

import pytest
import torch
from torch import nn

import rnninit_hooks as ri

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]


class Speaker(nn.Module):
    """The speaker encoder of resemblyzer, by the keys of its published checkpoint."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mels):
        return self.linear(self.lstm(mels)[1][0][-1])


@pytest.fixture(scope="module")
def published():
    files = distribution("resemblyzer").files  # PackageNotFoundError names what to install
    file = next(f for f in files if f.name == "pretrained.pt")
    state = torch.load(file.locate(), weights_only=True, map_location="cpu")["model_state"]
    return {name: value for name, value in state.items() if not name.startswith("similarity")}


def test_a_published_checkpoint_is_never_overwritten(published):
    model = Speaker()
    handle = ri.attach(model, "lstm-classic")
    model.load_state_dict(published)
    assert model(torch.randn(2, 20, 40)).isfinite().all()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in published.items())
    assert {state for address, state in handle.status.items() if address.startswith("lstm")} == {"loaded"}


def test_a_partial_load_of_it_initialises_exactly_the_rest(published):
    part = {name: value for name, value in published.items() if "_l1" not in name}
    model, eager = Speaker(), Speaker()
    ri.attach(model, "lstm-classic")
    model.load_state_dict(part, strict=False)
    model(torch.randn(2, 20, 40))
    ri.apply(eager, "lstm-classic")
    state, rest = model.state_dict(), {name: v for name, v in eager.state_dict().items() if "_l1" in name}
    assert len(rest) == 4
    assert all(torch.equal(state[name], value) for name, value in {**part, **rest}.items())


def lightning_parts(tmp_path):
    import lightning

    class Net(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(3, 16)
            self.first = None

        def training_step(self, batch, index):
            if self.first is None:
                self.first = {name: p.detach().clone() for name, p in self.named_parameters()}
            return self.rnn(batch)[0].pow(2).mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def train_dataloader(self):
            return torch.utils.data.DataLoader(torch.randn(8, 5, 3), batch_size=4)

    def trainer(epochs, callback):
        return lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", callbacks=[callback], default_root_dir=tmp_path, logger=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip

    return Net, trainer


def test_lightning_initialises_a_fresh_run_before_its_first_step_and_leaves_a_resumed_one_alone(tmp_path):
    from rnninit_hooks.integrations.lightning import InitCallback

    net, trainer = lightning_parts(tmp_path)
    model, callback = net(), InitCallback("lstm-classic")
    run = trainer(1, callback)
    run.fit(model)
    eager = net()
    ri.apply(eager, "lstm-classic")
    assert all(torch.equal(model.first[name], p) for name, p in eager.named_parameters())
    assert {row.status for row in callback.report.rows} == {"written"}
    trained = {name: p.detach().clone() for name, p in model.named_parameters()}
    run.save_checkpoint(tmp_path / "last.ckpt")
    again, idle = net(), InitCallback("lstm-classic")
    trainer(2, idle).fit(again, ckpt_path=tmp_path / "last.ckpt", weights_only=False)
    assert {row.status for row in idle.report.rows} == {"loaded"}
    assert all(torch.equal(again.first[name], value) for name, value in trained.items())


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 16, batch_first=True)
        self.first = None

    def forward(self, x):
        if self.first is None:
            self.first = {name: p.detach().clone() for name, p in self.named_parameters()}
        return {"loss": self.rnn(x)[0].pow(2).mean()}


def test_transformers_initialises_a_fresh_run_before_its_first_step_and_leaves_a_resumed_one_alone(tmp_path):
    from transformers import Trainer, TrainingArguments

    from rnninit_hooks.integrations.transformers import InitCallback

    data = [{"x": torch.randn(5, 3)} for _ in range(8)]

    def trainer(model, steps, callback):
        args = TrainingArguments(
            str(tmp_path),
            max_steps=steps,
            save_steps=1,
            report_to=[],
            use_cpu=True,
            per_device_train_batch_size=4,
            disable_tqdm=True,
        )
        return Trainer(model=model, args=args, train_dataset=data, callbacks=[callback])

    model, callback = Toy(), InitCallback("lstm-classic")
    trainer(model, 1, callback).train()
    eager = Toy()
    ri.apply(eager, "lstm-classic")
    assert all(torch.equal(model.first[name], p) for name, p in eager.named_parameters())
    trained = {name: p.detach().clone() for name, p in model.named_parameters()}
    again, idle = Toy(), InitCallback("lstm-classic")
    trainer(again, 2, idle).train(resume_from_checkpoint=True)
    assert idle.report is None
    assert all(torch.equal(again.first[name], value) for name, value in trained.items())


@pytest.mark.parametrize("name", ["lightning", "transformers"])
def test_the_examples_of_the_callbacks_run(name):
    result = doctest.testmod(importlib.import_module(f"rnninit_hooks.integrations.{name}"))
    assert result.attempted and not result.failed
