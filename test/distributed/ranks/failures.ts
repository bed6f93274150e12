/** What ranks do in `failures.test.ts`: each function runs in every rank and returns how its collectives ended. */
import { arange, full, nn, type Tensor, tensor, zeros } from "kindling";
import {
  allGather,
  allGatherObject,
  allReduce,
  barrier,
  broadcast,
  DistError,
  initProcessGroup,
  isend,
  newGroup,
  recv,
  reduce,
  send,
} from "kindling/distributed";

/** How a call ended. */
export interface Ending {
  readonly name: string;
  readonly message: string;
  readonly op: string | null;
  readonly sequenceNumber: number | null;
  readonly ranks: readonly number[];
}

function endingOf(call: () => unknown): Ending {
  try {
    call();
  } catch (error) {
    const { name, message } = error as Error;
    const { op, sequenceNumber, ranks } =
      error instanceof DistError ? error : { op: null, sequenceNumber: null, ranks: [] };
    return { name, message, op, sequenceNumber, ranks: [...ranks] };
  }
  return { name: "none", message: "", op: null, sequenceNumber: null, ranks: [] };
}

/** How a call that differs between ranks ended, the tensor after it, and the result of a call that fits. */
export type Mismatch = readonly [ending: Ending, after: number[], next: number];

/** Calls of which rank 1 makes another one, each followed by one that fits. */
export function mismatch(kinds: readonly string[]): Mismatch[] {
  const rank = initProcessGroup().rank();
  const odd = rank === 1;
  return kinds.map((kind) => {
    const x = full([6], rank, { dtype: odd && kind === "dtype" ? "int32" : "float32" });
    const calls: Record<string, () => unknown> = {
      op: () => (odd ? broadcast(x, 0) : allReduce(x)),
      shape: () => allReduce(odd ? x.reshape([2, 3]) : x),
      dtype: () => allReduce(x),
      root: () => broadcast(x, odd ? 1 : 0),
      reduction: () => allReduce(x, odd ? "max" : "sum"),
      lists: () => allGather([zeros([6]), zeros([odd ? 5 : 4]), zeros([6])], odd ? zeros([4]) : x),
      newGroup: () => newGroup(odd ? [0, 1] : [0, 2]),
      size: () => reduce(odd ? x.narrow(0, 0, 5) : x, 0),
    };
    const ending = endingOf(calls[kind] as () => unknown);
    const after = x.to("float32").toArray() as number[];
    const y = tensor([rank]);
    allReduce(y); // the ranks are still in step
    return [ending, after, y.item()] as const;
  });
}

/** Rank 1 does something else than the others, who call an allReduce inside of a module. */
export function absent(how: string): [Ending, number[], Ending] {
  class Inner extends nn.Module<[Tensor], Tensor> {
    override forward(x: Tensor): Tensor {
      allReduce(x);
      return x;
    }
  }
  const group = initProcessGroup("threads", { timeout: 60_000 });
  const rank = group.rank();
  const model = new nn.Sequential(new nn.Identity(), new nn.Sequential(new Inner()));
  barrier();
  if (how === "silent") group.timeout = 300;
  const x = full([50_000], rank, { dtype: "float32" });
  if (rank === 1) {
    if (how === "throws") throw new RangeError("rank 1 has had enough");
    if (how === "exits") process.exit(3);
    if (how === "exits quietly") process.exit(0);
    if (how === "returns") return [endingOf(() => undefined), [], endingOf(() => undefined)];
    const end = performance.now() + 1000;
    while (performance.now() < end); // silent: comes too late
  }
  const ending = endingOf(() => model(x));
  return [ending, x.unique().toArray() as number[], endingOf(() => barrier())];
}

/** Rank 1 does not call initProcessGroup: it returns, or waits until the others have ended. */
export function notJoined(how: string, ended: Int32Array): Ending {
  if (process.env.RANK === "1") {
    for (let n = 0; how === "silent" && n < 2; n = Atomics.load(ended, 0)) Atomics.wait(ended, 0, n, 10_000);
    return endingOf(() => undefined);
  }
  const ending = endingOf(() => initProcessGroup("threads", { timeout: how === "silent" ? 500 : 60_000 }));
  Atomics.add(ended, 0, 1);
  Atomics.notify(ended, 0);
  return ending;
}

/** Messages that nobody receives, or sends. */
export function messages(): Ending[] {
  const rank = initProcessGroup("threads", { timeout: 60_000 }).rank();
  const x = arange(4).to("float32");
  const endings: Ending[] = [];
  if (rank === 0) {
    endings.push(endingOf(() => send(x, 1, { timeout: 100 })));
    endings.push(endingOf(() => recv(x, 1, { timeout: 100 })));
    endings.push(endingOf(() => recv(x, null, { timeout: 100, tag: 3 })));
    endings.push(endingOf(() => send(x, 0)));
  }
  barrier();
  if (rank === 1) return endings; // has ended
  if (rank === 0) {
    endings.push(endingOf(() => recv(x, 1)));
    endings.push(endingOf(() => send(x, 1)));
  }
  return endings;
}

/**
 * Collectives of all kinds until one fails. Returns how it ended, the tensor's distinct values then, and those that it
 * had before and would have had after. `progress` counts the calls of each rank; rank `victim` is killed at some point.
 */
export function untilKilled(
  progress: Int32Array,
  numel: number,
): { ending: Ending; distinct: number[]; before: number; after: number } {
  const group = initProcessGroup("threads", { timeout: 60_000 });
  const [rank, size] = [group.rank(), group.size()];
  const x = zeros([numel]);
  for (let step = 0; ; step++) {
    const before = step + rank;
    x.fill_(before);
    Atomics.store(progress, rank, step + 1);
    const root = step % size;
    let after = before;
    const ending = endingOf(() => {
      if (step % 5 === 0) {
        after = size * step + (size * (size - 1)) / 2;
        allReduce(x);
      } else if (step % 5 === 1) {
        after = step + root;
        broadcast(x, root);
      } else if (step % 5 === 2) {
        const all = Array.from({ length: size }, () => zeros([numel]));
        allGather(all, x);
      } else if (step % 5 === 3) {
        allGatherObject(new Array(size), { step, x });
      } else {
        after = step + ((rank + 1) % size);
        const sending = isend(x, (rank + size - 1) % size);
        recv(x, (rank + 1) % size);
        sending.wait();
      }
    });
    if (ending.name !== "none" || step > 1_000_000)
      return { ending, distinct: x.unique().toArray() as number[], before, after };
  }
}
