/** What the cases of training on several ranks share: models, data, and comparisons over ranks. */

import { arange, manualSeed, nn, noGrad, randn, type Tensor } from "kindling";
import type { ProcessGroup } from "kindling/distributed";
import { allGather, getWorldSize } from "kindling/distributed";

/** A network of float64 with 6 inputs and 3 outputs; the same for the same seed. */
export function mlp(seed = 1): nn.Sequential {
  manualSeed(seed);
  const net = new nn.Sequential(
    new nn.Linear(6, 8),
    new nn.Tanh(),
    new nn.Linear(8, 5),
    new nn.Tanh(),
    new nn.Linear(5, 3),
  );
  return net.double();
}

/** Inputs and targets of a whole batch, the same on all ranks. */
export function batch(n: number, seed: number): [x: Tensor, y: Tensor] {
  manualSeed(seed);
  return [randn([n, 6], { dtype: "float64" }), randn([n, 3], { dtype: "float64" })];
}

/** This rank's part of a batch that is cut into equal parts. */
export function part(t: Tensor, rank: number, size: number): Tensor {
  const n = (t.shape[0] as number) / size;
  return t.narrow(0, rank * n, n);
}

/** Mean squared error. */
export const mse = nn.functional.mseLoss;

/** Throws unless the condition holds. */
export function expectThat(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`expected ${what}`);
}

/** Throws unless both are equal as JSON. */
export function expectEqual(got: unknown, expected: unknown, what = "value"): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: got ${a}, expected ${b}`);
}

/** The message of what `fn` throws. */
export function messageOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("expected an error");
}

/** Throws unless a text matches. */
export function expectMatch(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`got "${text}", expected ${String(pattern)}`);
}

/** Throws unless tensors have the same bits. */
export function expectSameBits(got: Tensor, expected: Tensor, what: string): void {
  if (!noGrad(() => got.eq(expected).all().item())) {
    throw new Error(`${what}: got ${got.toString()}, expected ${expected.toString()}`);
  }
}

/** Throws unless all ranks have the same bits in these tensors. */
export function expectSameOnAllRanks(named: Iterable<readonly [string, Tensor | null]>): void {
  for (const [name, t] of named) {
    if (t === null) throw new Error(`${name} is null`);
    const mine = t.detach().contiguous();
    const all = Array.from({ length: getWorldSize() }, () => mine.clone());
    allGather(all, mine);
    for (const [rank, other] of all.entries()) {
      expectSameBits(other, all[0] as Tensor, `${name} of rank ${rank}`);
    }
  }
}

/** Gradients by the names of their parameters. */
export function gradients(module: nn.AnyModule): [string, Tensor | null][] {
  return [...module.namedParameters()].map(([name, p]) => [name, p.grad]);
}

/** All values of a module one after another, as an array. */
export function valuesOf(module: nn.AnyModule): number[] {
  return noGrad(() => [...module.parameters()].flatMap((p) => p.reshape([-1]).toArray() as number[]));
}

/** How many collectives of a group `fn` calls. */
export function collectivesIn(group: ProcessGroup, fn: () => void): number {
  const before = group.queue?.begun ?? 0;
  fn();
  return (group.queue?.begun ?? 0) - before;
}

/** A model whose parameters are used or not, as `use` says: y = sum of the layers that are used. */
export class Branches extends nn.Module<[Tensor, readonly string[]], Tensor> {
  a: nn.Linear = new nn.Linear(4, 2, { dtype: "float64" });
  b: nn.Linear = new nn.Linear(4, 2, { dtype: "float64" });
  c: nn.Linear = new nn.Linear(4, 2, { dtype: "float64" });

  forward(x: Tensor, use: readonly string[]): Tensor {
    const layers = { a: this.a, b: this.b, c: this.c };
    const outs = use.map((name) => layers[name as keyof typeof layers](x));
    return outs.reduce((sum, out) => sum.add(out));
  }
}

/** Numbers for {@link Branches}, other ones on each rank. */
export function branchInput(rank: number): Tensor {
  return arange(12, { dtype: "float64" }).reshape([3, 4]).add(rank).div(10);
}
