/** SyncBatchNorm against BatchNorm on the concatenated batch, which every rank computes for itself. */
import fc from "fast-check";
import { autograd, nn, noGrad, type Tensor, tensor, zeros } from "kindling";
import {
  allReduce,
  getRank,
  getWorldSize,
  newGroup,
  type ProcessGroup,
  SyncBatchNorm,
} from "kindling/distributed";
import { assertClose } from "kindling/testing";
import type { Case } from "../harness.js";
import {
  ALL,
  expectEqual,
  expectMatch,
  type Float,
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

const PLAIN = { 2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d } as const;

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

export const cases: readonly Case[] = [
  ...equality(),
  properties,
  large,
  views,
  statisticsAlike,
  oneValue,
  disagreement,
  allEmpty,
  constant,
  withoutCollective,
  subgroups,
  converted,
];
