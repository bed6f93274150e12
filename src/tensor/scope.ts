/** `scope`: frees what is allocated inside when it ends, except what is returned, kept or owned by a model. */
import { KEPT, record, release, type Storage, startRecording, stopRecording } from "./heap.js";
import { Tensor } from "./tensor.js";

/** The running scopes, the innermost last. */
const running: Running[] = [];

interface Running {
  /** What is to outlive the scope; null while nothing is. */
  kept: Set<Storage> | null;
}

function keepIn(scope: Running, { storage }: Tensor): void {
  scope.kept ??= new Set();
  scope.kept.add(storage);
}

function eachTensor(value: unknown, visit: (t: Tensor) => void, seen?: Set<unknown>): void {
  if (value instanceof Tensor) {
    visit(value);
    return;
  }
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value) || seen?.has(value)) return;
  seen ??= new Set();
  seen.add(value);
  if (value instanceof Map) for (const entry of value) eachTensor(entry, visit, seen);
  else if (value instanceof Set || Array.isArray(value)) for (const v of value) eachTensor(v, visit, seen);
  else for (const v of Object.values(value)) eachTensor(v, visit, seen);
}

/** Keeps a tensor beyond the end of the running {@link scope}; returns it. Outside of scopes it does nothing. */
export function keep(tensor: Tensor): Tensor {
  const innermost = running.at(-1);
  if (innermost !== undefined) keepIn(innermost, tensor);
  return tensor;
}

/** What `scope()` without a function returns. */
export interface Scope extends Disposable {
  /** Ends the scope (a `using` block does it by itself). */
  end(): void;
}

function open(): (returned: unknown) => void {
  const made: Storage[] = [];
  const scope: Running = { kept: null };
  running.push(scope);
  const outer = startRecording(made);
  let open = true;
  return (returned) => {
    if (!open) return;
    open = false;
    stopRecording(outer);
    running.splice(running.lastIndexOf(scope), 1);
    eachTensor(returned, (t) => keepIn(scope, t));
    for (const storage of made) {
      if (storage.region === null || (storage.flags & KEPT) !== 0) continue;
      if (scope.kept?.has(storage)) record(storage);
      else release(storage);
    }
  };
}

/**
 * Runs `fn` and frees every tensor allocated inside, except those in the value it returns (arrays, objects, maps and
 * sets are searched), those passed to {@link keep}, and parameters, gradients, buffers and optimizer state.
 * Nobody needs it: unreachable tensors go by themselves. It is the fast lane for large models, since the heap's
 * memory is reused while it is still in the processor's cache. Reading a freed tensor is an error that says so.
 * @example
 * const [x, w] = [ones([4, 3]), ones([3, 1], { requiresGrad: true })];
 * const loss = scope(() => {
 *   const mean = x.matmul(w).square().mean();
 *   mean.backward();
 *   return mean.item();
 * });
 * loss; // 9
 */
export function scope(): Scope;
export function scope<T>(fn: () => T): T;
export function scope<T>(fn?: () => T): T | Scope {
  const close = open();
  if (fn === undefined) return { end: () => close(undefined), [Symbol.dispose]: () => close(undefined) };
  let result: T;
  try {
    result = fn();
  } catch (error) {
    close(undefined);
    throw error;
  }
  close(result);
  return result;
}
