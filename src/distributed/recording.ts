/**
 * How collectives are recorded, so that all ranks walk the same collectives backward. The result of a collective depends
 * on the inputs of all ranks, so it needs a gradient on every rank as soon as the input of one rank does: a rank whose
 * own input needs none records the collective all the same, and joins when its turn comes in backward. For that each rank
 * says in the header of the collective whether it records and whether its input needs a gradient.
 */
import { mode } from "../autograd/mode.js";
import type { Node } from "../autograd/node.js";
import { defineMultiOp, type InputGrads, type MultiOp, runMulti } from "../autograd/op.js";
import { type DTypeCode, FLOAT32 } from "../tensor/dtype.js";
import { AutogradError } from "../tensor/errors.js";
import { KEPT } from "../tensor/heap.js";
import { empty, full } from "../tensor/raw.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { DistError, showRanks } from "./errors.js";
import type { Marks } from "./header.js";
import type { ProcessGroup } from "./processGroup.js";

/** What a rank says: it records nothing (noGrad), it records but needs no gradient itself, or it needs one. */
const UNRECORDED = 0;
const RECORDS = 1;
const NEEDS = 2;

/** The marks for a collective of these inputs: this rank's own; the collective fills in all. */
export function marksFor(inputs: readonly Tensor[]): Marks {
  const needs = inputs.some((t) => t.requiresGrad);
  return { own: mode.grad ? (needs ? NEEDS : RECORDS) : UNRECORDED, all: [] };
}

/** Whether the input of some rank needs a gradient. */
export function isRecorded(marks: readonly number[]): boolean {
  return marks.some((mark) => mark >= NEEDS);
}

/** Stands in for an input that needs a gradient. Always the same leaf, so that a checkpoint knows it again. */
let token: Tensor | null = null;

function tokenLeaf(): Tensor {
  const leaf = empty([0], FLOAT32);
  leaf.leafRequiresGrad = true;
  leaf.storage.flags |= KEPT;
  return leaf;
}

/** Inputs with which an op is recorded when the input of any rank needs a gradient: an empty leaf stands in for a need. */
export function recordedInputs(inputs: readonly Tensor[], marks: readonly number[]): readonly Tensor[] {
  if (!mode.grad || !isRecorded(marks) || inputs.some((t) => t.requiresGrad)) return inputs;
  token ??= tokenLeaf();
  return [...inputs, token];
}

/** Throws when ranks did not record the forward whose backward runs: they will not join. */
export function checkRecorded(op: string, group: ProcessGroup, marks: readonly number[]): void {
  const absent = marks.flatMap((mark, rank) => (mark === UNRECORDED ? [group.ranks[rank] as number] : []));
  if (absent.length === 0) return;
  throw new AutogradError(
    `[${op}] backward needs every rank of the group, but ${showRanks(absent)} ran the forward under noGrad and cannot ` +
      "join; try the same grad mode on all ranks",
  );
}

/** Runs a collective of a backward; its errors say whose backward that is, since no layer's forward is under way. */
export function inBackwardOf<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof DistError && !error.message.includes("\n  in the backward of "))
      error.message += `\n  in the backward of ${name}`;
    throw error;
  }
}

/** A collective that has run, on its way onto the tape. */
export interface Collective {
  readonly group: ProcessGroup;
  readonly marks: readonly number[];
  /** The results; the tape takes them over. */
  made: readonly Tensor[] | null;
}

/** An op whose results exist already; `backward` gets a gradient (zeros where there is none) for each of them. */
export function collectiveOp<A>(
  name: string,
  backward: (grads: readonly Tensor[], node: Node<A & Collective>) => InputGrads,
): MultiOp<A & Collective> {
  return defineMultiOp<A & Collective>({
    name,
    forward: (_, attrs) => {
      const made = attrs.made as readonly Tensor[];
      attrs.made = null;
      return [...made];
    },
    backward: (grads, n) => {
      checkRecorded(name, n.attrs.group, n.attrs.marks);
      const all = grads.map((g, nr) => g ?? full(n.outShapes[nr] as Shape, 0, n.outCodes[nr] as DTypeCode));
      return inBackwardOf(name, () => backward(all, n));
    },
  });
}

/** Puts a collective that has run onto the tape, on every rank or on none. */
export function record<A extends object>(
  op: MultiOp<A & Collective>,
  inputs: readonly Tensor[],
  made: readonly Tensor[],
  marks: readonly number[],
  group: ProcessGroup,
  attrs: A,
): Tensor[] {
  return runMulti(op, recordedInputs(inputs, marks), { ...attrs, group, marks, made });
}
