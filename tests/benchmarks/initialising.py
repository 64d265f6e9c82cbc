"""What initialising costs: `python -m tests.benchmarks.initialising`, under five minutes.

Every line is a ratio of medians of pairs, ours over the alternative, measured in turn in this run. Where the last column
names a reach, the ratio was meant to stay below it.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.draws import Keyed
from tests.benchmarks.pairs import Pair, compare, seconds

SIZES = (64, 256, 512, 1024, 2048)


def line(what: str, pair: Pair, reach: float | None = None) -> None:
    print(f"{what:46}{pair}" + (f"   reach {reach}" if reach else ""), flush=True)


def haar(size: int) -> Callable[[], object]:
    return lambda: Keyed.haars([Keyed(0, f"rnn.weight_hh_l0[{gate}]", narrow=True) for gate in "ifgo"], size, size)


def orthogonal(size: int) -> Callable[[], object]:
    weight = torch.empty(4 * size, size)
    return lambda: [nn.init.orthogonal_(gate) for gate in weight.chunk(4)]


def samplers() -> None:
    print("\nfour orthogonal gates of H x H, against nn.init.orthogonal_ gate by gate")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for size in SIZES:
            rounds, repeat = (3 if size > 1000 else 7), max(1, 256 // size)
            pair = compare(haar(size), orthogonal(size), rounds=rounds, repeat=repeat)
            line(f"H = {size}, {threads} threads", pair, 0.75 if size < 512 else 0.40)
    torch.set_num_threads(1)
    x = torch.randn(2048, 2048)
    product = min(seconds(lambda: x @ x, 1) for _ in range(5))
    drawn = min(seconds(lambda: Keyed(0, "a", narrow=True).haar(2048, 2048), 1) for _ in range(3))
    print(f"H = 2048, 1 thread: {2 / 3 * product / drawn:.2f} of the sgemm rate on 4/3 H^3 operations (reach 0.60 or more)")


MEMORY = """
import torch
from rnninit_hooks.recipes.draws import Keyed
Keyed(0, "a", narrow=True).haar(300, 300)
def status(word):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(word))
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
kept = Keyed(0, "a", narrow=True).haar(4096, 4096)
print((status("VmHWM") - before) * 1024 / kept.nbytes)
"""


def memory() -> None:
    if sys.platform != "linux":
        return
    print(f"peak memory of one gate of 4096 x 4096, in gates, itself included: {float(run(MEMORY)):.2f} (reach 4.0)")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def by_hand(model: nn.LSTM) -> None:
    """The loop as it should be written: gate by gate, one bias, every layer."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
                if "bias_ih" in name:
                    nn.init.ones_(parameter.chunk(4)[1])
            else:
                init = nn.init.orthogonal_ if "weight_hh" in name else nn.init.xavier_uniform_
                for gate in parameter.chunk(4):
                    init(gate)


def models() -> None:
    print("\nri.apply of lstm-classic, against the correct loop by hand (digests and read-back included)")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for size, layers, reach in ((64, 2, None), (512, 2, None), (1024, 4, 0.45)):
            model = nn.LSTM(size, size, num_layers=layers)
            pair = compare(lambda: ri.apply(model, "lstm-classic"), lambda: by_hand(model), rounds=3)  # noqa: B023
            line(f"LSTM({size}, {size}, num_layers={layers}), {threads} threads", pair, reach)
            if size == 1024:
                against_allennlp(model)


def against_allennlp(model: nn.LSTM) -> None:
    try:
        from allennlp_light.nn.initializers import InitializerApplicator, block_orthogonal, lstm_hidden_bias
    except ImportError as error:
        print(f"   allennlp-light: not measured here ({error})")
        return
    size = model.hidden_size
    rules = [
        ("weight_hh", lambda tensor, **_: block_orthogonal(tensor, [size, size])),
        ("weight_ih", lambda tensor, **_: nn.init.xavier_uniform_(tensor)),
        ("bias_hh", lambda tensor, **_: lstm_hidden_bias(tensor)), ("bias_ih", lambda tensor, **_: nn.init.zeros_(tensor)),
    ]  # fmt: skip
    applicator = InitializerApplicator(rules)
    line("   ... against allennlp-light", compare(lambda: ri.apply(model, "lstm-classic"), lambda: applicator(model), rounds=3), 0.45)


def planning() -> None:
    print("\nplanning, against a bare loop of re.search over every rule and name")
    patterns = [rf"layers\.{n}\d*\.weight_hh_l\d+$" for n in range(48)] + ["weight", "bias$"]
    rules = [ri.Rule(id=f"r{n}", match=ri.Match(parameter=one), init=ri.Zeros()) for n, one in enumerate(reversed(patterns))]
    policy = ri.Policy(rules=rules, untouched="allow", idle="allow")
    for count in (2_000, 20_000):
        with torch.device("meta"):
            model = nn.ModuleDict({"layers": nn.ModuleList(nn.Linear(4, 4) for _ in range(count // 2))})
        names = [name for name, _ in model.named_parameters()]
        compiled = [re.compile(pattern) for pattern in patterns]
        bare = lambda: [[one.search(name) for name in names] for one in compiled]  # noqa: B023, E731
        line(f"{count} parameters x 50 rules", compare(lambda: ri.plan(model, policy), bare, rounds=3), 1.5)  # noqa: B023
    with torch.device("meta"):
        large = nn.ModuleList(nn.LSTM(2048, 2048, num_layers=4) for _ in range(8))
    size = sum(p.numel() for p in large.parameters()) / 1e9
    took = min(seconds(lambda: ri.plan(large, "lstm-classic"), 1) for _ in range(3))
    print(f"a model of {size:.2f} billion parameters on meta is planned in {took:.3f} s")


def checking() -> None:
    print("\nthe law of orthogonality, against one product of the block with itself (float64, as both are)")
    for size in (256, 1024, 2048):
        block = Block("a", (size, size), size, size)
        value = Keyed(0, "a").haar(size, size)
        law = ri.Orthogonal()
        line(f"H = {size}", compare(lambda: law.law(block, value), lambda: value @ value.mT, rounds=5), 1.3)  # noqa: B023


def imports() -> None:
    print("\nstarting, in fresh processes")
    starts = [(_start("import torch"), _start("import torch, rnninit_hooks")) for _ in range(8)]
    plain, both = (min(one) for one in zip(*starts, strict=True))
    print(f"import torch {plain:.2f} s; and rnninit_hooks {100 * (both / plain - 1):+.1f} % (reach +5 %)")
    preset = json.loads(run("import json, rnninit_hooks.presets as p; print(json.dumps(p.__path__[0]))"))
    took = min(_start(f"from rnninit_hooks.cli import main; main(['rules', {preset + '/lstm-classic.yaml'!r}])") for _ in range(8))
    print(f"rnninit rules FILE: {took:.2f} s (reach 0.4 s)")


def _start(code: str) -> float:
    start = time.perf_counter()
    run(code)
    return time.perf_counter() - start


def main() -> None:
    print(f"torch {torch.__version__}, python {platform.python_version()}, {platform.machine()}; ours, theirs, ratio (least to greatest)")
    samplers()
    memory()
    models()
    torch.set_num_threads(1)
    planning()
    checking()
    imports()


if __name__ == "__main__":
    main()
