/** Collectives with gradients: values, gradients of two orders by central differences, and what ranks may leave out. */
import assert from "node:assert/strict";
import { autograd, cat, checkpoint, noGrad, type Tensor, tensor, zeros } from "kindling";
import { functional, getGlobalRank, newGroup, type ProcessGroup, ReduceOp } from "kindling/distributed";
import { assertClose } from "kindling/testing";
import {
  gradcheckAcrossRanks,
  gradgradcheckAcrossRanks,
  type RankFunction,
} from "../gradcheckAcrossRanks.js";
import type { Case } from "../harness.js";

const EXACT = { rtol: 0, atol: 0 };

/** Numbers of a rank, away from each other and from 0. */
function own(rank: number, shape: readonly number[], seed = 0): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Float64Array.from(
    { length: n },
    (_, i) => Math.sin(1 + 7 * rank + 3 * i + seed) + 0.1 * rank,
  );
  return tensor(values, { dtype: "float64" }).reshape(shape).detach();
}

const leaf = (t: Tensor) => t.requiresGrad_();

/** The tensors that all ranks make. */
function everyones(size: number, of: (rank: number) => Tensor): Tensor[] {
  return Array.from({ length: size }, (_, rank) => of(rank));
}

function total(list: readonly Tensor[]): Tensor {
  return list.reduce((a, b) => a.add(b));
}

/** First and second derivatives of a function of this rank's tensors. Squares make the second order see values. */
function checkBoth(fn: RankFunction, inputs: readonly Tensor[], group?: ProcessGroup): void {
  const list = (out: Tensor | readonly Tensor[]) => (Array.isArray(out) ? out : [out]) as Tensor[];
  const curved: RankFunction = (...given) =>
    list(fn(...given.map((t) => t.square().add(t)))).map((y) => y.sin());
  const options = group === undefined ? {} : { group };
  gradcheckAcrossRanks(curved, inputs, options);
  gradgradcheckAcrossRanks(curved, inputs, options);
}

const values: Case = {
  name: "functional: values are those of the plain collectives, in new tensors",
  run(rank, size) {
    const x = own(rank, [2, 3]);
    const before = x.clone();
    const all = everyones(size, (r) => own(r, [2, 3]));
    assertClose(functional.allReduce(x), total(all), { rtol: 1e-15, atol: 1e-15 });
    assertClose(functional.allReduce(x, "avg"), total(all).div(size), { rtol: 1e-15, atol: 1e-15 });
    assertClose(
      functional.allReduce(x, { op: ReduceOp.MAX }),
      all.reduce((a, b) => a.maximum(b)),
      EXACT,
    );
    assertClose(functional.broadcast(x, size - 1), all[size - 1], EXACT);
    assertClose(functional.allGather(x), all, EXACT);
    const last = size - 1;
    const reduced = functional.reduce(x, last);
    assertClose(reduced, rank === last ? total(all) : zeros([2, 3], { dtype: "float64" }), {
      rtol: 1e-15,
      atol: 1e-15,
    });
    const gathered = functional.gather(x, { dst: last });
    assertClose(gathered, rank === last ? all : all.map((t) => t.mul(0)), EXACT);
    const parts = (r: number) => everyones(size, (to) => own(10 * r + to, [2]));
    assertClose(functional.scatter(parts(rank), { src: last }), parts(last)[rank], EXACT);
    const sums = everyones(size, (r) => parts(r)[rank] as Tensor);
    assertClose(
      functional.reduceScatter(x.narrow(0, 0, 1).view([-1]).narrow(0, 0, 2), parts(rank)),
      total(sums),
      {
        rtol: 1e-15,
        atol: 1e-15,
      },
    );
    assertClose(functional.allToAll(parts(rank), parts(rank)), sums, EXACT);
    const rows = own(rank, [2 * size, 3]);
    const come = everyones(size, (r) => own(r, [2 * size, 3]).narrow(0, 2 * rank, 2));
    assertClose(functional.allToAllSingle(rows, rows), cat(come), EXACT);
    assertClose(x, before, EXACT);
    // Integers pass through all of them as well.
    assertClose(functional.allReduce(tensor([rank, 1])), tensor([(size * (size - 1)) / 2, size]), EXACT);
  },
};

const linear: Case = {
  name: "functional: first and second derivatives of sums and copies, across ranks",
  worldSizes: [1, 2, 3],
  run(rank, size) {
    const x = leaf(own(rank, [2]));
    const last = size - 1;
    checkBoth((t) => functional.allReduce(t as Tensor), [x]);
    checkBoth((t) => functional.allReduce(t as Tensor, "avg"), [x]);
    checkBoth((t) => functional.reduce(t as Tensor, last), [x]);
    checkBoth((t) => functional.reduce(t as Tensor, last, "avg"), [x]);
    checkBoth((t) => functional.broadcast(t as Tensor, last), [x]);
    checkBoth((t) => functional.allGather(t as Tensor), [x]);
    checkBoth((t) => functional.gather(t as Tensor, { dst: last }), [x]);
    const list = everyones(size, (to) => leaf(own(rank + 3 * to, [2])));
    checkBoth((...t) => functional.scatter(t, { src: last }), list);
    checkBoth((...t) => functional.reduceScatter(t[0] as Tensor, t), list);
    checkBoth((...t) => functional.reduceScatter(t[0] as Tensor, t, "avg"), list);
    checkBoth((...t) => functional.allToAll(t, t), list);
    checkBoth((t) => functional.allToAllSingle(t as Tensor, t as Tensor), [leaf(own(rank, [size, 2]))]);
  },
};

const nonlinear: Case = {
  name: "functional: first and second derivatives of products, minima and maxima, across ranks",
  worldSizes: [1, 2, 3],
  run(rank, size) {
    const x = leaf(own(rank, [2]));
    const list = everyones(size, (to) => leaf(own(rank + 3 * to, [2])));
    for (const op of ["product", "min", "max"] as const) {
      checkBoth((t) => functional.allReduce(t as Tensor, { op }), [x]);
      checkBoth((t) => functional.reduce(t as Tensor, 0, { op }), [x]);
      checkBoth((...t) => functional.reduceScatter(t[0] as Tensor, t, { op }), list);
    }
    // A factor of 0: the gradient is the product of the others, not 0 / 0.
    const zero = leaf(own(rank, [2]).mul(rank === 0 ? 0 : 1));
    gradcheckAcrossRanks((t) => functional.allReduce(t as Tensor, "product"), [zero]);
    // Ties share: all ranks have the same maximum.
    const same = leaf(tensor([2], { dtype: "float64" }));
    functional.allReduce(same, "max").backward();
    assertClose(same.grad, tensor([1], { dtype: "float64" }), { rtol: 1e-15, atol: 0 });
  },
};

const uneven: Case = {
  name: "functional: tensors of different shapes on different ranks",
  worldSizes: [2, 3],
  run(rank, size) {
    const shapes = everyones(size, (r) => own(r, [r, 2])).map((t) => t.shape);
    const x = leaf(own(rank, [rank, 2]));
    assertClose(
      functional.allGather(x, { shapes }).map((t) => t.detach()),
      everyones(size, (r) => own(r, [r, 2])),
      EXACT,
    );
    checkBoth((t) => functional.allGather(t as Tensor, { shapes }), [x]);
    checkBoth((t) => functional.gather(t as Tensor, { shapes, dst: 1 }), [x]);
    const toEach = everyones(size, (to) => leaf(own(rank + 3 * to, [to + 1])));
    checkBoth((...t) => functional.scatter(t, { src: 1 }), toEach);
    checkBoth((...t) => functional.reduceScatter(t[rank] as Tensor, t), toEach);
    // Rank i sends i + j + 1 numbers to rank j.
    const sent = everyones(size, (to) => leaf(own(rank + 3 * to, [rank + to + 1])));
    checkBoth((...t) => functional.allToAll(t, t), sent);
    const splits = everyones(size, (to) => own(0, [rank + to + 1])).map((t) => t.numel);
    const rows = leaf(own(rank, [splits.reduce((a, b) => a + b, 0), 2]));
    const options = { inputSplitSizes: splits, outputSplitSizes: splits };
    checkBoth((t) => functional.allToAllSingle(t as Tensor, t as Tensor, options), [rows]);
  },
};

const union: Case = {
  name: "functional: results need a gradient on every rank as soon as the tensor of one rank does",
  worldSizes: [2, 3],
  run(rank, size) {
    for (const needing of [0, 1]) {
      const x = own(rank, [2]).requiresGrad_(rank === needing);
      const all = functional.allGather(x);
      assert.ok(all.every((t) => t.requiresGrad));
      total(all).square().sum().backward();
      if (rank === needing) {
        const sum = total(everyones(size, (r) => own(r, [2])));
        assertClose(x.grad, sum.mul(2 * size), { rtol: 1e-12, atol: 1e-12 });
      } else assert.equal(x.grad, null);
    }
    assert.ok(!functional.allReduce(own(rank, [2])).requiresGrad);
    assert.ok(!noGrad(() => functional.allReduce(leaf(own(rank, [2])))).requiresGrad);
    // Placeholders have no say in the result.
    const x = leaf(own(rank, [2]));
    functional.broadcast(x, 1).sum().backward();
    assertClose(x.grad, zeros([2], { dtype: "float64" }).add(rank === 1 ? size : 0), EXACT);
  },
};

const checkpointed: Case = {
  name: "functional: under checkpoint, also on ranks whose tensor needs no gradient",
  worldSizes: [2, 3],
  run(rank, size) {
    const x = own(rank, [2]).requiresGrad_(rank === 0);
    const y = checkpoint((t: Tensor) => functional.allReduce(t.mul(3)).square(), [x]);
    y.sum().backward();
    if (rank !== 0) return assert.equal(x.grad, null);
    const sum = total(everyones(size, (r) => own(r, [2])));
    assertClose(x.grad, sum.mul(18 * size), { rtol: 1e-12, atol: 1e-12 });
  },
};

const unused: Case = {
  name: "functional: results that only some ranks use, at the weight 0 elsewhere; results that are used twice",
  worldSizes: [2, 3],
  run(rank, size) {
    const x = leaf(own(rank, [2]));
    const y = functional.allReduce(x);
    y.mul(rank === 0 ? 1 : 0)
      .sum()
      .backward();
    assertClose(x.grad, tensor([1, 1], { dtype: "float64" }), EXACT);
    const z = leaf(own(rank, [2]));
    const [first] = functional.allGather(z) as [Tensor];
    first.mul(first).add(first).sum().backward(); // the other results get no gradient
    const expected = own(0, [2]).mul(2).add(1).mul(size);
    assertClose(z.grad, rank === 0 ? expected : expected.mul(0), { rtol: 1e-14, atol: 0 });
  },
};

const order: Case = {
  name: "functional: branches that one rank computes in another order than it uses them still meet",
  worldSizes: [2, 3],
  run(rank, size) {
    // The forward has one order on all ranks; which branch enters the loss first differs.
    const x = leaf(own(rank, [3]));
    const a = functional.allReduce(x.sin());
    const b = functional.broadcast(x.cos(), 0);
    const c = functional.allGather(x.exp())[size - 1] as Tensor;
    const parts = [a.square().sum(), b.exp().sum(), c.sum()];
    if (rank === 0) parts.reverse();
    total(parts).backward();
    const all = everyones(size, (r) => own(r, [3]));
    const sines = total(all.map((t) => t.sin()));
    let expected = own(rank, [3])
      .cos()
      .mul(sines)
      .mul(2 * size);
    const me = own(rank, [3]);
    if (rank === 0) expected = expected.sub(me.sin().mul(me.cos().exp()).mul(size));
    if (rank === size - 1) expected = expected.add(me.exp().mul(size));
    assertClose(x.grad, expected, { rtol: 1e-12, atol: 1e-12 });
  },
};

const groups: Case = {
  name: "functional: within groups, whose roots are ranks of the world",
  worldSizes: [3, 4],
  run(rank, size) {
    const ranks = size === 4 ? [1, 3] : [1, 2];
    const group = newGroup(ranks);
    const x = leaf(own(rank, [2]));
    if (!ranks.includes(rank)) {
      assert.throws(
        () => functional.allReduce(x, { group }),
        /\[allReduce\] this rank is not in the group of ranks/,
      );
      return;
    }
    const both = total(ranks.map((r) => own(r, [2])));
    assertClose(functional.allReduce(x, { group }).detach(), both, { rtol: 1e-15, atol: 1e-15 });
    const first = getGlobalRank(group, 0);
    assertClose(functional.broadcast(x, first, { group }).detach(), own(first, [2]), EXACT);
    assertClose(
      functional.gather(x, { group }).map((t) => t.detach())[1],
      own(ranks[1] as number, [2]).mul(rank === first ? 1 : 0),
      EXACT,
    );
    assert.throws(
      () => functional.broadcast(x, 0, { group }),
      /\[broadcast\] src: got rank 0, expected one of/,
    );
    checkBoth((t) => functional.broadcast(t as Tensor, 1, { group }), [x], group);
    checkBoth((t) => functional.allGather(t as Tensor, { group }), [x], group);
  },
};

const refusals: Case = {
  name: "functional: what does not fit is an error before any rank is called",
  worldSizes: [2],
  run(rank) {
    const x = own(rank, [2]);
    assert.throws(() => functional.scatter([x]), /\[scatter\] tensors: got 1, expected 2/);
    assert.throws(
      () => functional.allGather(x, { shapes: [[2]] }),
      /\[allGather\] shapes: got 1, expected 2/,
    );
    assert.throws(
      () => functional.allGather(x, { shapes: [[3], [3]] }),
      /shapes: got \[3\] for this rank, whose tensor has shape \[2\]/,
    );
    assert.throws(() => functional.reduce(x, 2), /\[reduce\] dst: got rank 2, expected one of 0, 1/);
    assert.throws(() => functional.allReduce(x, "bxor"), /not defined for float64/);
    // One rank under noGrad: the other is told when it asks for the gradient, and neither waits.
    const y = leaf(own(rank, [2]));
    const z = rank === 0 ? functional.allReduce(y) : noGrad(() => functional.allReduce(y));
    if (rank === 0) assert.throws(() => z.sum().backward(), /AllReduce.*rank 1 ran the forward under noGrad/);
  },
};

const repeatable: Case = {
  name: "functional: retainGraph, a second order by createGraph, and the same bits again",
  worldSizes: [2],
  run(rank) {
    const x = leaf(own(rank, [3]));
    const y = functional.allReduce(x.sin()).square().sum();
    const [g] = autograd.grad(y, [x], { createGraph: true }) as [Tensor];
    const [again] = autograd.grad(y, [x], { createGraph: true }) as [Tensor];
    assertClose(again.detach(), g.detach(), EXACT);
    g.square().sum().backward();
    assert.ok(x.grad !== null);
  },
};

export const cases: readonly Case[] = [
  values,
  linear,
  nonlinear,
  uneven,
  union,
  checkpointed,
  unused,
  order,
  groups,
  refusals,
  repeatable,
];
