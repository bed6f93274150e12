/** SyncBatchNorm against BatchNorm on the concatenated batch, which every rank computes for itself. */
import fc from "fast-check";
import { autograd, cat, checkpoint, func, nn, noGrad, type Tensor, tensor, zeros } from "kindling";
import {
  allReduce,
  DistributedDataParallel,
  getRank,
  getWorldSize,
  newGroup,
  type ProcessGroup,
  SyncBatchNorm,
} from "kindling/distributed";
import { assertClose } from "kindling/testing";
import { gradcheckAcrossRanks, gradgradcheckAcrossRanks } from "../gradcheckAcrossRanks.js";
import type { Case } from "../harness.js";

type Float = "float32" | "float64";

/** A tensor of numbers in [-2, 2] that look random, the same on every rank. */
function make(shape: readonly number[], seed: number, dtype: Float = "float64"): Tensor {
  let s = (seed * 2654435761 + 1) >>> 0;
  const values = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    s = (Math.imul(s ^ (s >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.fround(((s ^ (s >>> 13)) >>> 0) / 2 ** 30 - 2);
  });
  return tensor(values, { dtype: "float64" }).to(dtype).reshape(shape).detach();
}

/** Samples of each rank: the first of the whole batch on rank 0. */
type Split = readonly number[];

/** This rank's samples of a tensor of all. */
function part(t: Tensor, split: Split, rank: number): Tensor {
  const start = split.slice(0, rank).reduce((a, b) => a + b, 0);
  return t
    .narrow(0, start, split[rank] as number)
    .clone()
    .detach();
}

interface Setting {
  readonly split: Split;
  /** Channels and what follows. */
  readonly shape: readonly number[];
  readonly dtype?: Float;
  readonly affine?: boolean;
  readonly trackRunningStats?: boolean;
  readonly momentum?: number | null;
  readonly seed?: number;
  /** Added to all values. */
  readonly mean?: number;
  readonly group?: ProcessGroup;
}

/** A layer with weight and bias that are not 1 and 0. */
function prepared<L extends nn.BatchNormBase>(layer: L, dtype: Float): L {
  noGrad(() => {
    layer.weight?.copy_(make([layer.numFeatures], 91, dtype));
    layer.bias?.copy_(make([layer.numFeatures], 92, dtype));
  });
  return layer;
}

/** The sum of all ranks' tensors. */
function sumOf(t: Tensor, group?: ProcessGroup): Tensor {
  const sum = t.clone();
  allReduce(sum, group === undefined ? {} : { group });
  return sum;
}

/** The sum of all ranks' gradients. */
function summed(t: Tensor | null, group?: ProcessGroup): Tensor {
  return sumOf(t?.grad ?? zeros([]), group);
}

const PLAIN = { 2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d } as const;

/** Errors in relation to what they are of: float32 results carry rounding of 2^-24, sums in float64 carry none. */
const TOLERANCE = { float32: { rtol: 2e-5, atol: 2e-5 }, float64: { rtol: 1e-10, atol: 1e-10 } } as const;

/** Trains both layers for two steps, and compares everything that there is. */
function equalsWholeBatch(s: Setting): void {
  const { split, dtype = "float64", group } = s;
  const rank = getRank(group);
  const options = {
    affine: s.affine ?? true,
    trackRunningStats: s.trackRunningStats ?? true,
    momentum: s.momentum === undefined ? 0.1 : s.momentum,
    dtype,
  };
  const [C] = s.shape as [number];
  const total = split.reduce((a, b) => a + b, 0);
  const whole = prepared(new PLAIN[(s.shape.length + 1) as 2](C, options), dtype);
  const sync = prepared(new SyncBatchNorm(C, { ...options, processGroup: group ?? null }), dtype);
  for (let step = 0; step < 2; step++) {
    const seed = (s.seed ?? 1) + 10 * step;
    const all = make([total, ...s.shape], seed, dtype)
      .add(s.mean ?? 0)
      .detach()
      .requiresGrad_();
    const g = make([total, ...s.shape], seed + 1, dtype);
    const own = part(all, split, rank).requiresGrad_();
    const expected = whole(all);
    const got = sync(own);
    assertClose(got.detach(), part(expected.detach(), split, rank), TOLERANCE[dtype]);
    whole.zeroGrad();
    sync.zeroGrad();
    expected.backward(g);
    got.backward(part(g, split, rank));
    assertClose(own.grad, part(all.grad as Tensor, split, rank), TOLERANCE[dtype]);
    for (const name of ["weight", "bias"] as const) {
      if (sync[name] === null) continue;
      // Each rank has the gradient of its own outputs: together they are that of the whole batch.
      assertClose(summed(sync[name], group), whole[name]?.grad, TOLERANCE[dtype]);
    }
    for (const name of ["runningMean", "runningVar", "numBatchesTracked"] as const) {
      if (whole[name] === null) expectEqual(sync[name], null);
      else assertClose(sync[name], whole[name], TOLERANCE[dtype]);
    }
  }
  sync.eval();
  whole.eval();
  const probe = make([3, ...s.shape], 77, dtype);
  assertClose(sync(probe).detach(), whole(probe).detach(), TOLERANCE[dtype]);
}

function expectEqual(got: unknown, expected: unknown): void {
  if (got !== expected) throw new Error(`got ${String(got)}, expected ${String(expected)}`);
}

/** The message of what `fn` throws. */
function messageOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("expected an error");
}

function expectMatch(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`got "${text}", expected ${String(pattern)}`);
}

/** Splits of a batch over so many ranks: even, uneven, one value each, empty ranks. */
const SPLITS: Readonly<Record<number, readonly Split[]>> = {
  1: [[4], [5]],
  2: [
    [4, 4],
    [5, 3],
    [1, 1],
    [0, 6],
    [3, 0],
  ],
  3: [
    [2, 2, 2],
    [1, 5, 2],
    [1, 1, 1],
    [0, 4, 0],
  ],
  4: [
    [2, 2, 2, 2],
    [5, 1, 0, 3],
    [1, 1, 1, 1],
    [0, 0, 2, 0],
  ],
};

const ALL = [1, 2, 3, 4];

function equality(): Case[] {
  const shapes = [[3], [2, 5], [3, 2, 3], [2, 2, 1, 3]];
  const variants: [string, Partial<Setting>][] = [
    ["", {}],
    [", float32", { dtype: "float32" }],
    [", not affine", { affine: false }],
    [", not tracking", { trackRunningStats: false }],
    [", momentum null", { momentum: null }],
    [", mean 1e4", { mean: 1e4 }],
  ];
  return shapes.flatMap((shape) =>
    variants.map(([name, variant]) => ({
      name: `SyncBatchNorm equals BatchNorm on the whole batch: (N, ${shape.join(", ")})${name}`,
      worldSizes: ALL,
      run: (_rank: number, size: number) => {
        for (const split of SPLITS[size] ?? []) equalsWholeBatch({ split, shape, ...variant });
      },
    })),
  );
}

const properties: Case = {
  name: "SyncBatchNorm equals BatchNorm on the whole batch, whatever the split and the shape",
  worldSizes: [2, 3, 4],
  run: (_rank, size) => {
    const settings = fc.record({
      split: fc
        .array(fc.integer({ min: 0, max: 6 }), { minLength: size, maxLength: size })
        .filter((split) => split.reduce((a, b) => a + b, 0) > 1),
      shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
      seed: fc.integer({ min: 1, max: 1 << 20 }),
      affine: fc.boolean(),
      trackRunningStats: fc.boolean(),
      momentum: fc.constantFrom(0.1, 0.5, 1, null),
    });
    // Every rank draws the same settings. Nothing is shrunk: ranks that fail alone would leave the others waiting.
    for (const setting of fc.sample(settings, { seed: 20, numRuns: 40 })) equalsWholeBatch(setting);
  },
};

const large: Case = {
  name: "SyncBatchNorm equals BatchNorm on a batch that the kernels share, float32",
  worldSizes: [2, 3],
  run: (_rank, size) => {
    const split = size === 2 ? [9, 5] : [9, 0, 5];
    equalsWholeBatch({ split, shape: [33, 16, 16], dtype: "float32" });
    equalsWholeBatch({ split: split.map((n) => 40 * n), shape: [65], dtype: "float32" });
    // Far from 0: what float32 cannot hold of the input is lost before, what is left is not lost here.
    equalsWholeBatch({ split, shape: [8, 8, 8], dtype: "float32", mean: 1e3 });
  },
};

const views: Case = {
  name: "SyncBatchNorm of views: the same bits as of contiguous inputs and gradients",
  worldSizes: [2],
  run: (rank) => {
    const layer = prepared(new SyncBatchNorm(3, { dtype: "float64", trackRunningStats: false }), "float64");
    const base = make([2, 4, 3], 5 + rank);
    const results = [base.permute([1, 2, 0]), base.permute([1, 2, 0]).contiguous()].map((x) => {
      const leaf = x.detach().requiresGrad_();
      const y = layer(leaf);
      const [gx] = autograd.grad(y.sum([0, 2]), [leaf], { gradOutputs: make([3], 8) }) as [Tensor];
      return [y.detach(), gx];
    });
    assertClose(results[0], results[1], { rtol: 0, atol: 0 });
  },
};

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

const statisticsAlike: Case = {
  name: "SyncBatchNorm: running statistics have the same bits on every rank, also where a batch is empty",
  worldSizes: [2, 3, 4],
  run: (rank, size) => {
    const layer = new SyncBatchNorm(5);
    for (let step = 0; step < 3; step++)
      layer(make([(rank + step) % size, 5, 7], 10 * step + rank, "float32"));
    for (const t of [layer.runningMean, layer.runningVar, layer.numBatchesTracked] as Tensor[]) {
      for (const op of ["min", "max"] as const) {
        const extreme = t.clone();
        allReduce(extreme, { op });
        assertClose(extreme, t, { rtol: 0, atol: 0 });
      }
    }
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

const oneValue: Case = {
  name: "SyncBatchNorm: one value per channel on all ranks together is an error on every rank, and changes nothing",
  worldSizes: ALL,
  run: (rank, size) => {
    for (const holder of [0, size - 1]) {
      const layer = new SyncBatchNorm(2);
      const model = new nn.Sequential(new nn.Identity(), layer);
      const x = zeros([rank === holder ? 1 : 0, 2, 1]);
      const message = messageOf(() => model(x));
      expectMatch(message, /\[SyncBatchNorm\] Expected more than 1 value per channel when training/);
      expectMatch(message, /in 1: SyncBatchNorm\(2/);
      expectEqual(layer.numBatchesTracked?.item(), 0);
      assertClose(layer.runningVar, tensor([1, 1], { dtype: "float32" }), { rtol: 0, atol: 0 });
    }
  },
};

const disagreement: Case = {
  name: "SyncBatchNorm: ranks with different layers are told, forward and backward, and nothing changes",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const C = rank === 1 ? 3 : 2;
    const layer = new SyncBatchNorm(C);
    const model = new nn.Sequential(new nn.Identity(), layer);
    const message = messageOf(() => model(make([4, C], rank, "float32")));
    expectMatch(
      message,
      /the ranks disagree.*allGatherIntoTensor of float64\[5\].*allGatherIntoTensor of float64\[7\]/,
    );
    expectMatch(message, /in 1: SyncBatchNorm\(/);
    expectEqual(layer.numBatchesTracked?.item(), 0);
    assertClose(layer.runningVar, zeros([C]).add(1), { rtol: 0, atol: 0 });
    // Backward in another order than forward on one rank: which cannot happen by itself.
    const [a, b] = [2, 3].map((n) => new SyncBatchNorm(n)(make([4, n], rank, "float32").requiresGrad_())) as [
      Tensor,
      Tensor,
    ];
    const wrong = messageOf(() => (rank === 1 ? b : a).sum().backward());
    expectMatch(wrong, /\[allReduce\] the ranks disagree[\s\S]*in the backward of SyncBatchNorm\([23]\)/);
    assertClose(sumOf(tensor([1])), tensor([size]), { rtol: 0, atol: 0 }); // in step again
  },
};

const allEmpty: Case = {
  name: "SyncBatchNorm: no values on any rank: empty outputs, zero gradients, statistics untouched, counter grows",
  worldSizes: ALL,
  run: () => {
    const layer = new SyncBatchNorm(3);
    const x = zeros([0, 3, 2]).requiresGrad_();
    layer(x).sum().backward();
    assertClose(x.grad, zeros([0, 3, 2]));
    assertClose(layer.weight?.grad, zeros([3]), { rtol: 0, atol: 0 });
    assertClose(layer.bias?.grad, zeros([3]), { rtol: 0, atol: 0 });
    assertClose(layer.runningMean, zeros([3]), { rtol: 0, atol: 0 });
    assertClose(layer.runningVar, tensor([1, 1, 1], { dtype: "float32" }), { rtol: 0, atol: 0 });
    expectEqual(layer.numBatchesTracked?.item(), 1);
    const free = new SyncBatchNorm(3, { momentum: null });
    free(zeros([0, 3]));
    assertClose(free.runningMean, zeros([3]), { rtol: 0, atol: 0 });
  },
};

const constant: Case = {
  name: "SyncBatchNorm: a constant channel gives exactly the bias and no gradient of the weight, at 1e10 and 1e30",
  worldSizes: [2, 3],
  run: (rank) => {
    for (const value of [1e10, 1e30, -0.1]) {
      const layer = prepared(new SyncBatchNorm(1), "float32");
      const y = layer(zeros([2 + rank, 1]).add(value));
      y.mul(make(y.shape, 3 + rank, "float32"))
        .sum()
        .backward();
      assertClose(y.detach(), (layer.bias as Tensor).detach().expand(y.shape), { rtol: 0, atol: 0 });
      assertClose(layer.weight?.grad, zeros([1]), { rtol: 0, atol: 0 });
    }
  },
};

const withoutCollective: Case = {
  name: "SyncBatchNorm in eval mode, and in a group of one, calls no other rank",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const groups = Array.from({ length: size }, (_, r) => newGroup([r]));
    const eager = new SyncBatchNorm(2).eval();
    const bare = new SyncBatchNorm(2, { trackRunningStats: false }).eval();
    const alone = new SyncBatchNorm(2, { processGroup: groups[rank] as ProcessGroup });
    if (rank !== 0) return; // the others call nothing
    const x = make([4, 2], 1, "float32");
    assertClose(eager(x).detach(), new nn.BatchNorm1d(2).eval()(x).detach(), { rtol: 0, atol: 0 });
    const plain = new nn.BatchNorm1d(2);
    assertClose(bare(x).detach(), plain(x).detach(), { rtol: 0, atol: 0 });
    assertClose(alone(x).detach(), plain(x).detach(), { rtol: 0, atol: 0 });
    expectMatch(
      messageOf(() => alone(x.narrow(0, 0, 1))),
      /Expected more than 1 value per channel when training, got input size \[1, 2\]/,
    );
  },
};

const subgroups: Case = {
  name: "SyncBatchNorm within process groups: each normalises its own batches",
  worldSizes: [3, 4],
  run: (rank, size) => {
    const lists =
      size === 4
        ? [
            [0, 2],
            [3, 1],
          ]
        : [[2, 0], [1]];
    const groups = lists.map((ranks) => newGroup(ranks));
    const at = lists.findIndex((ranks) => ranks.includes(rank));
    const group = groups[at] as ProcessGroup;
    const split = [3, 2].slice(0, getWorldSize(group));
    equalsWholeBatch({ split, shape: [2, 3], group, seed: 100 * at });
    // Of another group this rank cannot take part, and is told so.
    const net = SyncBatchNorm.convertSyncBatchnorm(new nn.Sequential(new nn.BatchNorm1d(2)), group);
    expectEqual((net[0] as unknown as SyncBatchNorm).processGroup, group);
    const other = new SyncBatchNorm(2, { processGroup: groups[1 - at] as ProcessGroup });
    if (group.size() > 1 && (groups[1 - at] as ProcessGroup).size() > 1)
      expectMatch(
        messageOf(() => other(make([3, 2], 1, "float32"))),
        /this rank is not in the layer's process group/,
      );
  },
};

const converted: Case = {
  name: "convertSyncBatchnorm: a converted model trains as the plain one on the whole batch",
  worldSizes: [2, 3],
  run: (rank, size) => {
    const split = [3, 1, 2].slice(0, size);
    const total = split.reduce((a, b) => a + b, 0);
    const build = () => {
      const net = new nn.Sequential(
        new nn.Conv2d(2, 3, 3),
        new nn.BatchNorm2d(3),
        new nn.ReLU(),
        new nn.Flatten(),
        new nn.Linear(12, 4),
        new nn.BatchNorm1d(4),
      ).double();
      let seed = 30;
      noGrad(() => {
        for (const p of net.parameters()) p.copy_(make(p.shape, seed++));
      });
      return net;
    };
    const plain = build();
    const sync = SyncBatchNorm.convertSyncBatchnorm(build());
    const all = make([total, 2, 4, 4], 9);
    plain(all).sin().sum().backward();
    sync(part(all, split, rank))
      .sin()
      .sum()
      .backward();
    const expected = [...plain.parameters()];
    [...sync.parameters()].forEach((p, i) => {
      assertClose(summed(p), expected[i]?.grad, { rtol: 1e-9, atol: 1e-9 });
    });
    const buffers = [...plain.buffers()];
    [...sync.buffers()].forEach((b, i) => {
      assertClose(b, buffers[i], TOLERANCE.float64);
    });
    const back = SyncBatchNorm.revertSyncBatchnorm(sync).eval();
    assertClose(back(all).detach(), plain.eval()(all).detach(), TOLERANCE.float64);
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
  ...equality(),
  properties,
  large,
  views,
  firstDerivatives,
  secondDerivatives,
  thirdDerivatives,
  fourOrders,
  penalty,
  accumulation,
  checkpointed,
  statisticsAlike,
  needs,
  modes,
  oneValue,
  disagreement,
  allEmpty,
  constant,
  withoutCollective,
  subgroups,
  converted,
  detour,
];
