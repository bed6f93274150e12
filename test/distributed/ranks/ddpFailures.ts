/** What ranks do in `ddpFailures.test.ts`. */
import { nn, randn } from "kindling";
import { DistributedDataParallel, initProcessGroup } from "kindling/distributed";

/** How a backward ended, and whether the gradients are still those of this rank alone. */
export interface Ending {
  readonly name: string;
  readonly message: string;
  readonly untouched: boolean;
}

/** A backward in which rank 1 does something else. */
export function backward(odd: "sleeps" | "ends" | "throws", timeout: number): Ending | null {
  const group = initProcessGroup("threads", { timeout });
  const model = new DistributedDataParallel(
    new nn.Sequential(new nn.Linear(4, 3), new nn.Tanh(), new nn.Linear(3, 2)),
  );
  const x = randn([5, 4]);
  const alone = new nn.Sequential(new nn.Linear(4, 3), new nn.Tanh(), new nn.Linear(3, 2));
  alone.loadStateDict(model.module.stateDict());
  alone(x).square().sum().backward();
  const loss = model(x).square().sum();
  if (group.rank() === 1) {
    if (odd === "ends") return null;
    if (odd === "throws") throw new Error("in the loss of rank 1");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4 * timeout);
    return null;
  }
  try {
    loss.backward();
  } catch (error) {
    const { name, message } = error as Error;
    const untouched = [...model.module.namedParameters()].every(
      ([key, p]) => p.grad?.equal(alone.getParameter(key).grad as NonNullable<typeof p.grad>) === true,
    );
    return { name, message, untouched };
  }
  return { name: "none", message: "", untouched: false };
}
