/** DistributedDataParallel: parameters without a gradient, modules that do not fit, misuse. */

import { checkpoint, enableGrad, nn, type Tensor, zeros } from "kindling";
import { DistributedDataParallel, newGroup } from "kindling/distributed";
import { assertClose } from "kindling/testing";
import type { Case } from "../harness.js";
import {
  Branches,
  batch,
  branchInput,
  collectivesIn,
  expectEqual,
  expectMatch,
  expectSameOnAllRanks,
  expectThat,
  gradients,
  messageOf,
  mlp,
  mse,
  part,
} from "../training.js";

const EXACT = { rtol: 0, atol: 0 };
const ROUNDING = { rtol: 1e-12, atol: 1e-13 };

/** The gradient of one layer of {@link Branches} on one rank, by itself. */
function weightGrad(rank: number): Tensor {
  // y = x w' + b, summed: every row of the gradient is the sum of the inputs.
  return branchInput(rank).sum(0).unsqueeze(0).expand([2, 4]);
}

const findUnused: Case = {
  name: "DDP: findUnusedParameters: zeros where a parameter is not used, nothing where no rank uses it",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    for (const bucketCapMb of [25, 1e-5]) {
      for (const gradientAsBucketView of [false, true]) {
        const ddp = new DistributedDataParallel(new Branches(), {
          findUnusedParameters: true,
          bucketCapMb,
          gradientAsBucketView,
        });
        const { module } = ddp;
        // a on all ranks, b on rank 0 only, c on none.
        const step = () =>
          ddp(branchInput(rank), rank === 0 ? ["a", "b"] : ["a"])
            .sum()
            .backward();
        step();
        const mean = Array.from({ length: size }, (_, r) => weightGrad(r))
          .reduce((s, g) => s.add(g))
          .div(size);
        assertClose(module.a.weight.grad, mean, ROUNDING);
        assertClose(module.b.weight.grad, weightGrad(0).div(size), ROUNDING);
        expectThat(module.c.weight.grad === null, "no gradient for what no rank uses");
        expectSameOnAllRanks(gradients(ddp).filter(([name]) => !name.includes(".c.")));
        // What is there stays as it is when no rank uses the parameter.
        module.c.weight.grad = zeros([2, 4], { dtype: "float64" }).add(rank + 1);
        ddp.zeroGrad();
        module.c.weight.grad = zeros([2, 4], { dtype: "float64" }).add(rank + 1);
        step();
        assertClose(module.c.weight.grad, zeros([2, 4], { dtype: "float64" }).add(rank + 1), EXACT);
        assertClose(module.a.weight.grad, mean, ROUNDING);
      }
    }
  },
};

const leftAlone: Case = {
  name: "DDP: findUnusedParameters: a gradient in its bucket stays as it is when no rank uses the parameter",
  worldSizes: [2, 3],
  run: (rank) => {
    const ddp = new DistributedDataParallel(new Branches(), {
      findUnusedParameters: true,
      gradientAsBucketView: true,
    });
    const { c } = ddp.module;
    ddp(branchInput(rank), ["a", "c"]).sum().backward();
    const view = c.weight.grad as Tensor;
    view.add_(rank + 0.1);
    const before = view.clone();
    ddp(branchInput(rank), ["a"]).sum().backward();
    expectThat(c.weight.grad?.storage === view.storage, "the gradient in its bucket");
    assertClose(c.weight.grad, before, EXACT);
  },
};

const usedBefore: Case = {
  name: "DDP: findUnusedParameters: a parameter that was used inside noSync counts as used",
  worldSizes: [2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(new Branches(), { findUnusedParameters: true });
    const { module } = ddp;
    ddp.noSync(() =>
      ddp(branchInput(rank), rank === 1 ? ["a", "b"] : ["a"])
        .sum()
        .backward(),
    );
    ddp(branchInput(rank), ["a"]).sum().backward();
    assertClose(module.b.weight.grad, weightGrad(1).div(size), ROUNDING);
    // Then the count starts over.
    ddp.zeroGrad();
    ddp(branchInput(rank), ["a"]).sum().backward();
    expectThat(module.b.weight.grad === null, "no gradient for what no rank used since");
  },
};

const partOfTheLoss: Case = {
  name: "DDP: findUnusedParameters: what counts is the loss, not the outputs",
  worldSizes: [2],
  run: (rank) => {
    class Two extends nn.Module<[Tensor], [Tensor, Tensor]> {
      a: nn.Linear = new nn.Linear(4, 2, { dtype: "float64" });
      b: nn.Linear = new nn.Linear(4, 2, { dtype: "float64" });
      forward(x: Tensor): [Tensor, Tensor] {
        return [this.a(x), this.b(x)];
      }
    }
    const ddp = new DistributedDataParallel(new Two(), { findUnusedParameters: true });
    const [y] = ddp(branchInput(rank));
    y.sum().backward();
    const { module } = ddp;
    expectThat(module.a.weight.grad !== null && module.b.weight.grad === null, "a gradient for a alone");
  },
};

const unusedNamed: Case = {
  name: "DDP: parameters without a gradient are named with their ranks, at the end of that backward",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    const uses = [
      ["a", "c"],
      ["a", "b"],
      ["b", "c"],
    ];
    const ddp = new DistributedDataParallel(new Branches(), { bucketCapMb: 1e-5 });
    const loss = ddp(branchInput(rank), uses[rank] as string[]).sum();
    const text = messageOf(() => loss.backward());
    const [a, b, c] = [[2], [0], [1]].map((ranks) => ranks.filter((r) => r < size));
    const expected = [
      ["a", a],
      ["b", b],
      ["c", c],
    ] as [string, number[]][];
    for (const [name, ranks] of expected) {
      if (ranks.length === 0) expectThat(!text.includes(`${name}.weight`), `no ${name}.weight in ${text}`);
      else expectMatch(text, new RegExp(`${name}\\.weight \\(rank ${ranks.join(", ")}\\)`));
    }
    expectMatch(
      text,
      /^\[DistributedDataParallel\] no gradient in this backward for .*; try findUnusedParameters: true/,
    );
    // Nothing was written: gradients are those of this rank.
    const used = (uses[rank] as string[])[0] as "a" | "b";
    assertClose(ddp.module[used].weight.grad, weightGrad(rank), ROUNDING);
    // The ranks are still in step.
    ddp.zeroGrad();
    ddp(branchInput(rank), ["a", "b", "c"]).sum().backward();
    expectSameOnAllRanks(gradients(ddp));
  },
};

const staticGraph: Case = {
  name: "DDP: staticGraph: unused parameters are known from the first backward; another graph is an error",
  worldSizes: [1, 2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(new Branches(), { staticGraph: true, bucketCapMb: 1e-5 });
    const { module } = ddp;
    for (let step = 0; step < 3; step++) {
      ddp.zeroGrad();
      ddp(branchInput(rank), ["a", "b"]).sum().backward();
      const mean = Array.from({ length: size }, (_, r) => weightGrad(r))
        .reduce((s, g) => s.add(g))
        .div(size);
      assertClose(module.b.weight.grad, mean, ROUNDING);
      expectThat(module.c.weight.grad === null, "no gradient for what is never used");
    }
    const text = messageOf(() =>
      ddp(branchInput(rank), rank === 0 ? ["a", "c"] : ["a", "b"])
        .sum()
        .backward(),
    );
    expectMatch(
      text,
      /staticGraph.*b\.weight \(rank 0\).*c\.weight \(rank 0\)|staticGraph.*c\.weight \(rank 0\).*b\.weight \(rank 0\)/,
    );
  },
};

const inner: Case = {
  name: "DDP: a backward inside the backward: named as an error, right with staticGraph",
  worldSizes: [1, 2],
  run: (rank, size) => {
    /** Uses its layer again while a backward runs through it: its gradient comes twice. */
    class Again extends nn.Module {
      layer: nn.Linear = new nn.Linear(4, 2, { dtype: "float64" });
      forward(x: Tensor): Tensor {
        const h = this.layer(x);
        h.registerHook(() => enableGrad(() => this.layer(x).sum().backward()));
        return h;
      }
    }
    const ddp = new DistributedDataParallel(new Again());
    expectMatch(
      messageOf(() => ddp(branchInput(rank)).sum().backward()),
      /^\[DistributedDataParallel\] layer\.weight got a gradient again after it was reduced.*try staticGraph: true/,
    );
    const fixed = new DistributedDataParallel(new Again(), { staticGraph: true, bucketCapMb: 1e-5 });
    const mean = Array.from({ length: size }, (_, r) => weightGrad(r))
      .reduce((s, g) => s.add(g))
      .div(size);
    for (let step = 0; step < 3; step++) {
      fixed.zeroGrad();
      fixed(branchInput(rank)).sum().backward();
      assertClose(fixed.module.layer.weight.grad, mean.mul(2), ROUNDING);
    }
    // A backward through the wrapped model itself, inside of its backward.
    const whole = new DistributedDataParallel(new nn.Linear(4, 2, { dtype: "float64" }), {
      staticGraph: true,
    });
    for (let step = 0; step < 2; step++) {
      whole.zeroGrad();
      const out = whole(branchInput(rank));
      out.registerHook(() => enableGrad(() => whole(branchInput(rank)).sum().backward()));
      out.sum().backward();
      assertClose(whole.module.weight.grad, mean.mul(2), ROUNDING);
      expectSameOnAllRanks(gradients(whole));
    }
  },
};

const checkpointed: Case = {
  name: "DDP: layers under checkpoint",
  worldSizes: [1, 2],
  run: (rank, size) => {
    class Checkpointed extends nn.Module {
      net: nn.Sequential = mlp();
      forward(x: Tensor): Tensor {
        const half = this.net.slice(0, 2);
        const rest = this.net.slice(2);
        return checkpoint((h: Tensor) => rest(h), [checkpoint((h: Tensor) => half(h), [x])]);
      }
    }
    const [x, y] = batch(6, 4);
    const net = mlp();
    mse(net(x), y).backward();
    const ddp = new DistributedDataParallel(new Checkpointed(), { bucketCapMb: 1e-4 });
    mse(ddp(part(x, rank, size)), part(y, rank, size)).backward();
    for (const [name, g] of gradients(ddp.module.net)) {
      assertClose(g, net.getParameter(name).grad, ROUNDING);
    }
  },
};

const inputs: Case = {
  name: "DDP: backward({ inputs }) averages the parameters that it asks for",
  worldSizes: [2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(new Branches(), { findUnusedParameters: true });
    const { module } = ddp;
    ddp(branchInput(rank), ["a", "b"])
      .sum()
      .backward({ inputs: [module.b.weight] });
    assertClose(module.b.weight.grad, weightGrad(0).add(weightGrad(1)).div(size), ROUNDING);
    expectThat(module.a.weight.grad === null, "no gradient for a");
  },
};

const failing: Case = {
  name: "DDP: a backward that fails on all ranks leaves the next one in order",
  worldSizes: [2],
  run: (rank, size) => {
    const ddp = new DistributedDataParallel(mlp());
    const [x, y] = batch(4, 6);
    const broken = ddp(part(x, rank, size));
    broken.registerHook(() => {
      throw new Error("in the backward");
    });
    expectMatch(
      messageOf(() => mse(broken, part(y, rank, size)).backward()),
      /in the backward/,
    );
    ddp.zeroGrad();
    mse(ddp(part(x, rank, size)), part(y, rank, size)).backward();
    const net = mlp();
    mse(net(x), y).backward();
    for (const [name, g] of gradients(ddp.module)) assertClose(g, net.getParameter(name).grad, ROUNDING);
  },
};

const mismatch: Case = {
  name: "DDP: modules that differ are refused on all ranks, with rank and parameter",
  worldSizes: [2, 3],
  run: (rank) => {
    const odd = (make: (odd: boolean) => nn.Module) =>
      messageOf(() => new DistributedDataParallel(make(rank === 1)));
    expectMatch(
      odd((is) => new nn.Linear(is ? 5 : 4, 2)),
      /^\[DistributedDataParallel\] the module is not the same on all ranks: rank 1 has weight: float32 of shape \[2, 5\], rank 0 has weight: float32 of shape \[2, 4\]; try/,
    );
    expectMatch(
      odd((is) => new nn.Linear(4, 2, { dtype: is ? "float64" : "float32" })),
      /rank 1 has weight: float64 of shape \[2, 4\], rank 0 has weight: float32/,
    );
    expectMatch(
      odd((is) => new nn.Linear(4, 2, { bias: !is })),
      /rank 1 has nothing more, rank 0 has bias: float32/,
    );
    expectMatch(
      odd((is) => {
        const layer = new nn.Linear(4, 2);
        layer.bias?.requiresGrad_(!is);
        return layer;
      }),
      /rank 1 has bias: float32 of shape \[2\], no gradient, rank 0 has bias: float32 of shape \[2\];/,
    );
    expectMatch(
      odd((is) => (is ? new nn.BatchNorm1d(3) : new nn.BatchNorm1d(3, { trackRunningStats: false }))),
      /rank 1 has running_mean: float32 of shape \[3\], rank 0 has nothing more/,
    );
  },
};

const refused: Case = {
  name: "DDP: lazy modules, modules without gradients, ranks outside of the group, bad options are refused",
  worldSizes: [1, 2],
  run: (rank, size) => {
    expectMatch(
      messageOf(() => new DistributedDataParallel(new nn.Sequential(new nn.LazyLinear(3), new nn.ReLU()))),
      /^\[DistributedDataParallel\] 0\.weight, 0\.bias have no shape yet.*try one forward pass of the module before it is wrapped/,
    );
    expectMatch(
      messageOf(() => new DistributedDataParallel(new nn.ReLU())),
      /no parameter that requires a gradient/,
    );
    expectMatch(
      messageOf(() => new DistributedDataParallel(new nn.Linear(2, 2), { bucketCapMb: 0 })),
      /bucketCapMb is 0, expected more than 0/,
    );
    const first = newGroup([0]);
    if (rank === 0) {
      const ddp = new DistributedDataParallel(new nn.Linear(2, 2), { processGroup: first });
      ddp(zeros([1, 2]))
        .sum()
        .backward();
    } else {
      expectMatch(
        messageOf(() => new DistributedDataParallel(new nn.Linear(2, 2), { processGroup: first })),
        /this rank is not in/,
      );
    }
    expectThat(size > 0, "ranks");
  },
};

const subgroup: Case = {
  name: "DDP: in a process group of some ranks",
  worldSizes: [3, 4],
  run: (rank, size) => {
    const ranks = [size - 1, 0];
    const group = newGroup(ranks);
    if (!ranks.includes(rank)) return;
    const [x, y] = batch(6, 3);
    const net = mlp();
    mse(net(x), y).backward();
    // Every rank has its own seed: the group's first rank is the one that counts.
    const ddp = new DistributedDataParallel(mlp(group.rank() === 0 ? 1 : 50), { processGroup: group });
    expectEqual(
      collectivesIn(group, () => mse(ddp(part(x, group.rank(), 2)), part(y, group.rank(), 2)).backward()),
      1,
    );
    for (const [name, g] of gradients(ddp.module)) assertClose(g, net.getParameter(name).grad, ROUNDING);
  },
};

export const cases: readonly Case[] = [
  findUnused,
  leftAlone,
  usedBefore,
  partOfTheLoss,
  unusedNamed,
  staticGraph,
  inner,
  checkpointed,
  inputs,
  failing,
  mismatch,
  refused,
  subgroup,
];
