/**
 * Collectives as ops. Each one's backward is another of them: allReduce and allReduce, broadcast and reduce, gather and
 * scatter, allGather and reduceScatter, allToAll and allToAll. Roots are ranks of the group. Where only the root has a
 * result, the others have zeros, and where only the root has an input, the others' is a placeholder that gets zeros: so
 * every rank has the same graph, and walks it at every order.
 */
import { div } from "../ops/division.js";
import { nextOp } from "../tensor/heap.js";
import { contiguous, copyOf, detached, empty, full } from "../tensor/raw.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Marks } from "./header.js";
import type { ProcessGroup } from "./processGroup.js";
import { collectiveOp, marksFor, record } from "./recording.js";
import type { ReduceOp } from "./reduceOp.js";

/** What every collective is told: the marks are filled in, the timeout is the group's when left out. */
interface Told {
  marks: Marks;
  timeout?: number;
}

/** Where and how long. */
export interface Where {
  readonly group: ProcessGroup;
  readonly timeout?: number | undefined;
}

/** A reduction over ranks that is linear: its backward needs no values. */
export type LinearOp = Extract<ReduceOp, "sum" | "avg">;

function tell({ timeout }: Where, inputs: readonly Tensor[]): Told {
  nextOp();
  const marks = marksFor(inputs);
  return timeout === undefined ? { marks } : { marks, timeout };
}

function isRoot(group: ProcessGroup, root: number): boolean {
  return group.rank() === root;
}

/** The results of reductions: recorded where the op is linear, with the marks for those that record otherwise. */
export interface Reduced {
  readonly made: Tensor;
  readonly marks: readonly number[];
}

/** Sum (or another reduction, not recorded) of all ranks' tensors. */
export function rawAllReduce(x: Tensor, op: ReduceOp, where: Where): Reduced {
  const told = tell(where, [x]);
  const made = copyOf(x);
  where.group.allReduce(made, { op, ...told });
  return { made, marks: told.marks.all };
}

const allReduceOp = collectiveOp<{ op: LinearOp }>("AllReduce", ([g], { attrs: { group, op } }) => [
  linearAllReduce(g as Tensor, op, rawAllReduce(g as Tensor, op, { group }), group),
]);

/** y = sum of all x; dx = sum of all g. */
export function linearAllReduce(
  x: Tensor,
  op: LinearOp,
  { made, marks }: Reduced,
  group: ProcessGroup,
): Tensor {
  return record(allReduceOp, [x], [made], marks, group, { op })[0] as Tensor;
}

/** As {@link rawAllReduce} on the root; zeros elsewhere. */
export function rawReduce(x: Tensor, root: number, op: ReduceOp, where: Where): Reduced {
  const told = tell(where, [x]);
  const made = isRoot(where.group, root) ? copyOf(x) : full(x.shape, 0, x.code);
  where.group.reduce(isRoot(where.group, root) ? made : contiguous(x), root, { op, ...told });
  return { made, marks: told.marks.all };
}

const reduceOp = collectiveOp<{ op: LinearOp; root: number }>(
  "Reduce",
  ([g], { attrs: { group, op, root } }) => {
    const all = broadcastFrom(g as Tensor, root, { group });
    return [op === "avg" ? div(all, group.size()) : all];
  },
);

/** y = sum of all x on the root; dx = g of the root. */
export function linearReduce(
  x: Tensor,
  root: number,
  op: LinearOp,
  { made, marks }: Reduced,
  group: ProcessGroup,
): Tensor {
  return record(reduceOp, [x], [made], marks, group, { op, root })[0] as Tensor;
}

const broadcastOp = collectiveOp<{ root: number }>("Broadcast", ([g], { attrs: { group, root } }) => [
  linearReduce(g as Tensor, root, "sum", rawReduce(g as Tensor, root, "sum", { group }), group),
]);

/** y = x of the root; dx = sum of all g on the root. */
export function broadcastFrom(x: Tensor, root: number, where: Where): Tensor {
  const told = tell(where, [x]);
  const made = isRoot(where.group, root) ? copyOf(x) : empty(x.shape, x.code);
  where.group.broadcast(made, root, told);
  return record(broadcastOp, [x], [made], told.marks.all, where.group, { root })[0] as Tensor;
}

const allGatherOp = collectiveOp<object>("AllGather", (grads, n) => {
  const { group } = n.attrs;
  const raw = rawReduceScatter(n.shape(0), grads, "sum", { group });
  return [linearReduceScatter(grads, "sum", raw, group)];
});

/** y = all x, of the given shapes; dx = sum of all ranks' g for this rank. */
export function allGatherOf(x: Tensor, shapes: readonly Shape[], where: Where): Tensor[] {
  const told = tell(where, [x]);
  const made = shapes.map((shape) => empty(shape, x.code));
  where.group.allGather(made, detached(x), told);
  return record(allGatherOp, [x], made, told.marks.all, where.group, {});
}

/** The reduction of all ranks' tensors for this rank, which have this shape. */
export function rawReduceScatter(shape: Shape, list: readonly Tensor[], op: ReduceOp, where: Where): Reduced {
  const told = tell(where, list);
  const made = empty(shape, (list[0] as Tensor).code);
  where.group.reduceScatter(made, list.map(detached), { op, ...told });
  return { made, marks: told.marks.all };
}

const reduceScatterOp = collectiveOp<{ op: LinearOp }>("ReduceScatter", ([g], n) => {
  const { group, op } = n.attrs;
  const shapes = group.ranks.map((_, i) => n.shape(i));
  const all = allGatherOf(g as Tensor, shapes, { group });
  return op === "avg" ? all.map((t) => div(t, group.size())) : all;
});

/** y = sum of all ranks' x for this rank; dx = g of the rank that it was for. */
export function linearReduceScatter(
  list: readonly Tensor[],
  op: LinearOp,
  { made, marks }: Reduced,
  group: ProcessGroup,
): Tensor {
  return record(reduceScatterOp, list, [made], marks, group, { op })[0] as Tensor;
}

const gatherOp = collectiveOp<{ root: number }>("Gather", (grads, { attrs: { group, root } }) => [
  scatterFrom(grads, root, { group }),
]);

/** y = all x on the root, zeros of these shapes elsewhere; dx = the root's g for this rank. */
export function gatherTo(x: Tensor, shapes: readonly Shape[], root: number, where: Where): Tensor[] {
  const told = tell(where, [x]);
  const root_ = isRoot(where.group, root);
  const made = shapes.map((shape) => (root_ ? empty(shape, x.code) : full(shape, 0, x.code)));
  where.group.gather(detached(x), root_ ? made : null, { dst: root, ...told });
  return record(gatherOp, [x], made, told.marks.all, where.group, { root });
}

const scatterOp = collectiveOp<{ root: number }>("Scatter", ([g], n) => {
  const { group, root } = n.attrs;
  const shapes = group.ranks.map((_, i) => n.shape(i));
  return gatherTo(g as Tensor, shapes, root, { group });
});

/** y = the root's x for this rank; dx = all g on the root, zeros elsewhere. */
export function scatterFrom(list: readonly Tensor[], root: number, where: Where): Tensor {
  const told = tell(where, list);
  const { shape, code } = list[where.group.rank()] as Tensor;
  const made = empty(shape, code);
  where.group.scatter(made, isRoot(where.group, root) ? list.map(detached) : null, { src: root, ...told });
  return record(scatterOp, list, [made], told.marks.all, where.group, { root })[0] as Tensor;
}

const allToAllOp = collectiveOp<object>("AllToAll", (grads, n) => {
  const { group } = n.attrs;
  const shapes = group.ranks.map((_, i) => n.shape(i));
  return allToAllOf(grads, shapes, { group });
});

/** y = what each rank has for this one, of the given shapes; dx = the g of the ranks that it went to. */
export function allToAllOf(list: readonly Tensor[], shapes: readonly Shape[], where: Where): Tensor[] {
  const told = tell(where, list);
  const code = (list[0] as Tensor).code;
  const made = shapes.map((shape) => empty(shape, code));
  where.group.allToAll(made, list.map(detached), told);
  return record(allToAllOp, list, made, told.marks.all, where.group, {});
}

/** Rows of the input by the rank they go to, and of the output by the rank they come from; equal parts if undefined. */
export interface Splits {
  readonly input: readonly number[] | undefined;
  readonly output: readonly number[] | undefined;
}

const allToAllSingleOp = collectiveOp<{ splits: Splits }>("AllToAllSingle", ([g], n) => {
  const { group, splits } = n.attrs;
  return [allToAllRows(g as Tensor, n.shape(0), { input: splits.output, output: splits.input }, { group })];
});

/** As {@link allToAllOf} on the rows of one tensor. */
export function allToAllRows(x: Tensor, shape: Shape, splits: Splits, where: Where): Tensor {
  const told = tell(where, [x]);
  const made = empty(shape, x.code);
  where.group.allToAllSingle(made, detached(x), {
    ...told,
    ...(splits.input === undefined ? {} : { inputSplitSizes: splits.input }),
    ...(splits.output === undefined ? {} : { outputSplitSizes: splits.output }),
  });
  return record(allToAllSingleOp, [x], [made], told.marks.all, where.group, { splits })[0] as Tensor;
}
