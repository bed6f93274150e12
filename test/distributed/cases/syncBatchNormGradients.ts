/** Derivatives of SyncBatchNorm: across ranks by central differences, and beside those of the whole batch. */
import { autograd, cat, checkpoint, func, nn, noGrad, type Tensor } from "kindling";
import { DistributedDataParallel, SyncBatchNorm } from "kindling/distributed";
import { assertClose } from "kindling/testing";
import { gradcheckAcrossRanks, gradgradcheckAcrossRanks } from "../gradcheckAcrossRanks.js";
import type { Case } from "../harness.js";
import {
  ALL,
  expectEqual,
  expectMatch,
  make,
  messageOf,
  part,
  prepared,
  SPLITS,
  type Split,
  summed,
  sumOf,
  TOLERANCE,
} from "../splitBatches.js";

/** Functions of one rank's input (and weight and bias) for the gradient checks. */
function checked(rank: number, split: Split, shape: readonly number[], differ: boolean) {
  const [C] = shape as [number];
  const seed = differ ? 50 * rank : 0;
  const x = make([split[rank] as number, ...shape], 3 + rank).requiresGrad_();
  const weight = make([C], 11 + seed).requiresGrad_();
  const bias = make([C], 12 + seed).requiresGrad_();
  const layer = new SyncBatchNorm(C, { dtype: "float64", trackRunningStats: false });
  const fn = (input: Tensor, w: Tensor, b: Tensor) =>
    func.functionalCall(layer, { weight: w, bias: b }, [input]) as Tensor;
  return { fn: fn as (...t: Tensor[]) => Tensor, inputs: [x, weight, bias] };
}

const firstDerivatives: Case = {
  name: "SyncBatchNorm: first derivatives across ranks, where ranks have weights of their own too",
  worldSizes: ALL,
  run: (rank, size) => {
    for (const split of SPLITS[size] ?? []) {
      if (split.reduce((a, b) => a + b, 0) > 8) continue;
      for (const differ of [false, true]) {
        const { fn, inputs } = checked(rank, split, [2], differ);
        gradcheckAcrossRanks(fn, inputs);
      }
    }
    const spatial = checked(rank, [2, 0, 1, 1].slice(0, size), [2, 2, 1], true);
    gradcheckAcrossRanks(spatial.fn, spatial.inputs);
  },
};

const secondDerivatives: Case = {
  name: "SyncBatchNorm: second derivatives across ranks",
  worldSizes: ALL,
  run: (rank, size) => {
    for (const [split, shape] of [
      [[3, 1, 0, 2], [2]],
      [
        [1, 2, 1, 0],
        [1, 2, 2],
      ],
    ] as const) {
      const { fn, inputs } = checked(rank, split.slice(0, size), shape, true);
      gradgradcheckAcrossRanks(fn, inputs);
      // Alone, each of the gradients that may arrive.
      for (const i of [0, 1, 2]) {
        const one = (...given: Tensor[]) =>
          fn(...inputs.map((t, k) => (k === i ? (given[0] as Tensor) : t.detach())));
        gradgradcheckAcrossRanks(one, [inputs[i] as Tensor]);
      }
    }
  },
};

const thirdDerivatives: Case = {
  name: "SyncBatchNorm: third derivatives across ranks",
  worldSizes: [1, 2, 3],
  run: (rank, size) => {
    const { fn, inputs } = checked(
      rank,
      [2, 1, 0].slice(0, size).map((n) => (size === 1 ? 3 : n)),
      [1, 2],
      true,
    );
    const gradient = (...given: Tensor[]) =>
      autograd.grad(fn(...given).sin(), given, {
        gradOutputs: make(inputs[0]?.shape ?? [], 40 + rank),
        createGraph: true,
      }) as Tensor[];
    gradgradcheckAcrossRanks(gradient, inputs, { tolerance: 1e-5 });
  },
};

/** Derivatives with respect to the input, order after order: each differentiates a function of the one before. */
function orders(y: Tensor, x: Tensor, cotangents: readonly Tensor[]): Tensor[] {
  let d = y;
  return cotangents.map((c) => {
    [d] = autograd.grad(d.sin().mul(c).sum(), [x], { createGraph: true }) as [Tensor];
    return d;
  });
}

const fourOrders: Case = {
  name: "SyncBatchNorm: orders one to four are those of the whole batch, to 1e-9",
  worldSizes: ALL,
  run: (rank, size) => {
    for (const split of [
      [2, 2, 2, 2],
      [3, 1, 0, 2],
    ].map((s) => s.slice(0, size))) {
      const shape = [split.reduce((a, b) => a + b, 0), 2, 2];
      const all = make(shape, 6).requiresGrad_();
      const own = part(all, split, rank).requiresGrad_();
      const cotangents = [1, 2, 3, 4].map((k) => make(shape, 20 + k));
      const plain = prepared(new nn.BatchNorm1d(2, { dtype: "float64", eps: 0.1 }), "float64");
      const sync = prepared(new SyncBatchNorm(2, { dtype: "float64", eps: 0.1 }), "float64");
      const expected = orders(plain(all), all, cotangents);
      const got = orders(
        sync(own),
        own,
        cotangents.map((c) => part(c, split, rank)),
      );
      got.forEach((d, i) => {
        const reference = part((expected[i] as Tensor).detach(), split, rank);
        const scale = Math.max(
          1,
          ...Array.from((expected[i] as Tensor).detach().abs().toTypedArray() as Float64Array),
        );
        assertClose(d.detach().div(scale), reference.div(scale), { rtol: 0, atol: 1e-9 });
      });
    }
  },
};

const penalty: Case = {
  name: "SyncBatchNorm: a gradient penalty trains as on the whole batch",
  worldSizes: ALL,
  run: (rank, size) => {
    const split = [3, 1, 2, 2].slice(0, size);
    const total = split.reduce((a, b) => a + b, 0);
    const all = make([total, 4], 6);
    const model = (bn: nn.BatchNormBase) => {
      const net = new nn.Sequential(new nn.Linear(4, 3), bn, new nn.Tanh(), new nn.Linear(3, 1)).double();
      let seed = 60;
      noGrad(() => {
        for (const p of net.parameters()) p.copy_(make(p.shape, seed++));
      });
      return net;
    };
    const step = (net: nn.Sequential, x: Tensor) => {
      const leaf = x.clone().requiresGrad_();
      const y = net(leaf);
      const [gx] = autograd.grad(y.sum(), [leaf], { createGraph: true }) as [Tensor];
      y.square()
        .sum()
        .add(gx.square().sum([1]).sub(1).square().sum())
        .backward();
      return [...net.parameters()].map((p) => p.grad as Tensor);
    };
    const expected = step(model(new nn.BatchNorm1d(3)), all);
    const got = step(model(new SyncBatchNorm(3)), part(all, split, rank));
    got.forEach((g, i) => {
      assertClose(sumOf(g), expected[i], { rtol: 1e-9, atol: 1e-9 });
    });
  },
};

const accumulation: Case = {
  name: "SyncBatchNorm: two forwards, then one backward; the same twice gives the same bits",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const split = [2, 3, 1].slice(0, size);
    const total = split.reduce((a, b) => a + b, 0);
    const run = (layer: nn.BatchNormBase, take: (t: Tensor) => Tensor) => {
      const [a, b] = [make([total, 3], 1), make([total, 3], 2)].map((t) =>
        take(t).clone().requiresGrad_(),
      ) as [Tensor, Tensor];
      const first = layer(a).sin().sum();
      const second = layer(b)
        .cos()
        .mul(take(make([total, 3], 3)))
        .sum();
      first.add(second).backward();
      return [a.grad as Tensor, b.grad as Tensor];
    };
    const plain = prepared(new nn.BatchNorm1d(3, { dtype: "float64" }), "float64");
    const sync = prepared(new SyncBatchNorm(3, { dtype: "float64" }), "float64");
    const expected = run(plain, (t) => t);
    const got = run(sync, (t) => part(t, split, rank));
    got.forEach((g, i) => {
      assertClose(g, part(expected[i] as Tensor, split, rank), TOLERANCE.float64);
    });
    assertClose(sync.runningMean, plain.runningMean, TOLERANCE.float64);
    assertClose(
      run(sync, (t) => part(t, split, rank)),
      got,
      { rtol: 0, atol: 0 },
    );
  },
};

const checkpointed: Case = {
  name: "SyncBatchNorm under checkpoint: the forward that runs again in backward meets on all ranks",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const split = [2, 3, 1].slice(0, size);
    const all = make([split.reduce((a, b) => a + b, 0), 3], 1);
    const [plain, sync] = [nn.BatchNorm1d, SyncBatchNorm].map((Norm) =>
      prepared(new Norm(3, { dtype: "float64" }), "float64"),
    ) as [nn.BatchNorm1d, SyncBatchNorm];
    const gradient = (layer: nn.BatchNormBase, x: Tensor) => {
      const leaf = x.clone().requiresGrad_();
      const y = checkpoint((t: Tensor) => layer(layer(t).tanh()), [leaf]);
      y.sin().sum().backward();
      return leaf.grad as Tensor;
    };
    const expected = gradient(plain, all);
    assertClose(gradient(sync, part(all, split, rank)), part(expected, split, rank), TOLERANCE.float64);
    assertClose(summed(sync.weight), plain.weight?.grad, TOLERANCE.float64);
    assertClose(sync.runningVar, plain.runningVar, TOLERANCE.float64);
  },
};

const needs: Case = {
  name: "SyncBatchNorm: ranks whose input needs no gradient join the backward all the same",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const split = [2, 3, 2].slice(0, size);
    const total = split.reduce((a, b) => a + b, 0);
    const g = make([total, 2], 4);
    for (const affine of [true, false]) {
      for (const needing of [0, 1]) {
        const all = make([total, 2], 1).requiresGrad_();
        const own = part(all, split, rank).requiresGrad_(rank === needing);
        const options = { affine, dtype: "float64" } as const;
        const sync = prepared(new SyncBatchNorm(2, options), "float64");
        const plain = prepared(new nn.BatchNorm1d(2, options), "float64");
        plain(all).backward(g);
        const y = sync(own);
        if (!y.requiresGrad) throw new Error("the output depends on an input that requires a gradient");
        y.backward(part(g, split, rank));
        if (rank === needing) assertClose(own.grad, part(all.grad as Tensor, split, rank), TOLERANCE.float64);
        else expectEqual(own.grad, null);
        if (!affine) continue;
        assertClose(summed(sync.weight), plain.weight?.grad, TOLERANCE.float64);
      }
    }
    // Weight and bias alone: their gradients need no other rank, so one rank may walk back by itself.
    const layer = new SyncBatchNorm(2, { dtype: "float64" });
    const y = layer(make([3, 2], rank));
    if (rank === 0) y.square().sum().backward();
    expectEqual(layer.weight?.grad === null, rank !== 0);
  },
};

const modes: Case = {
  name: "SyncBatchNorm: under noGrad on some ranks, the backward of the others says so at once",
  worldSizes: [2],
  run: (rank) => {
    const layer = new SyncBatchNorm(2, { dtype: "float64" });
    const x = make([3, 2], rank).requiresGrad_();
    const y = rank === 1 ? noGrad(() => layer(x)) : layer(x);
    if (rank === 1) expectEqual(y.requiresGrad, false);
    else
      expectMatch(
        messageOf(() => y.sum().backward()),
        /SyncBatchNorm.*rank 1 ran the forward under noGrad/,
      );
    // On all ranks it is an ordinary forward.
    noGrad(() => layer(x));
    expectEqual(layer.numBatchesTracked?.item(), 2);
  },
};

/** A model with a layer that some ranks leave out: registered last, used first. */
class Detour extends nn.Module {
  early = new nn.Linear(4, 3);
  norm = new SyncBatchNorm(3);
  late = new nn.Linear(3, 1);
  extra = new nn.Linear(4, 4);
  detours = true;

  forward(x: Tensor): Tensor {
    return this.late(this.norm(this.early(this.detours ? this.extra(x) : x)));
  }
}

const detour: Case = {
  name: "SyncBatchNorm under DistributedDataParallel, with parameters that one rank alone uses",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const split = [3, 2, 4].slice(0, size);
    for (const options of [{ findUnusedParameters: true }, { staticGraph: true }]) {
      const build = () => {
        const net = new Detour().double();
        let seed = 70;
        noGrad(() => {
          for (const p of net.parameters()) p.copy_(make(p.shape, seed++));
        });
        return net;
      };
      const net = build();
      net.detours = rank === 0;
      // Buckets of one parameter each.
      const ddp = new DistributedDataParallel(net, { ...options, bucketCapMb: 1e-5 });
      const whole = build();
      const plain = SyncBatchNorm.revertSyncBatchnorm(whole.norm, { dims: 1 });
      for (let step = 0; step < 2; step++) {
        const all = make([split.reduce((a, b) => a + b, 0), 4], 9 + step);
        ddp.zeroGrad();
        ddp(part(all, split, rank))
          .sin()
          .sum()
          .backward();
        whole.zeroGrad();
        const first = split[0] as number;
        const rows = cat([
          whole.extra(all.narrow(0, 0, first)),
          all.narrow(0, first, (all.shape[0] as number) - first),
        ]);
        whole
          .late(plain(whole.early(rows)))
          .sin()
          .sum()
          .backward();
        for (const layer of ["early", "late", "extra"] as const) {
          assertClose(net[layer].weight.grad, whole[layer].weight.grad?.div(size), {
            rtol: 1e-9,
            atol: 1e-9,
          });
        }
      }
    }
  },
};

export const cases: readonly Case[] = [
  firstDerivatives,
  secondDerivatives,
  thirdDerivatives,
  fourOrders,
  penalty,
  accumulation,
  checkpointed,
  needs,
  modes,
  detour,
];
