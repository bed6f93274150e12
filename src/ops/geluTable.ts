/** The table of the gelu kernels: Phi, phi and the slope Phi + x phi at the nodes of assembly/gelu.ts, in float32. */
import { type DTypeCode, FLOAT32, FLOAT64 } from "../tensor/dtype.js";
import { KEPT, release, startRecording, stopRecording } from "../tensor/heap.js";
import { kernelFor, kernelTable } from "../tensor/launch.js";
import { empty, fromTyped, ptr, toTyped } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

/** Nodes in 1, and how far they reach to both sides. */
const STEPS = 64;
const REACH = 6;
const NODES = 2 * STEPS * REACH + 1;

let table: Tensor | null = null;

/** 2 Phi(x) = erfc(-x / sqrt 2) at the nodes, in float64. */
function doubled(): ArrayLike<number> {
  const args = fromTyped(
    Float64Array.from({ length: NODES }, (_, i) => (REACH - i / STEPS) * Math.SQRT1_2),
    [NODES],
    FLOAT64,
  );
  const out = empty([NODES], FLOAT64);
  kernelFor(kernelTable("erfc"), FLOAT64)(ptr(args), ptr(out), NODES);
  const values = toTyped(out) as Float64Array;
  release(args.storage);
  release(out.storage);
  return values;
}

function make(): Tensor {
  const outer = startRecording([]); // no backward pass and no scope may free it
  const values = new Float32Array(4 * NODES);
  const twice = doubled();
  for (let i = 0; i < NODES; i++) {
    const x = i / STEPS - REACH;
    const [below, density] = [(twice[i] as number) / 2, Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)];
    values.set([below, density], 2 * i);
    values.set([below + x * density, density], 2 * (NODES + i));
  }
  const made = fromTyped(values, [2, NODES, 2], FLOAT32);
  stopRecording(outer);
  made.storage.flags |= KEPT;
  return made;
}

/** Address of the table, until the next op starts; 0 for dtypes whose kernels do without. */
export function geluTable(code: DTypeCode): number {
  if (code !== FLOAT32) return 0;
  table ??= make();
  return ptr(table);
}
