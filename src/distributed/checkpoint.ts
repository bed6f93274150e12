/**
 * Checkpoints of distributed runs: one file, written by one rank and read for all, with the random state of every rank.
 * After loading, a run goes on with the same losses to the bit.
 */
import { readFileSync } from "node:fs";
import {
  type CheckpointOptions,
  type CheckpointParts,
  type Stateful,
  saveCheckpoint,
  unpackCheckpoint,
} from "../io/checkpoint.js";
import type { OptimizerStateDict } from "../optim/optimizer.js";
import { emptyLike } from "../tensor/create.js";
import { KindlingError, ValueError } from "../tensor/errors.js";
import { defaultGenerator, Generator } from "../tensor/generator.js";
import type { Tensor } from "../tensor/tensor.js";
import { broadcastObjectList } from "./objects.js";
import type { ProcessGroup } from "./processGroup.js";
import { groupOr } from "./world.js";
import { ZeroRedundancyOptimizer } from "./zeroRedundancyOptimizer.js";

/** Options of {@link saveDistributedCheckpoint}. */
export interface DistributedCheckpointOptions extends CheckpointOptions {
  /** The ranks of the run (default: all). */
  group?: ProcessGroup | null;
}

/** Where the state of the default generator of every rank is. */
const RANDOM = "randomByRank";

/** The states of one generator on all ranks, as a part of a checkpoint. */
class GeneratorByRank implements Stateful {
  constructor(
    private readonly group: ProcessGroup,
    /** Takes this rank's state. */
    private readonly set: (state: Tensor) => void,
    private byRank: readonly Tensor[] = [],
  ) {}

  stateDict(): { byRank: readonly Tensor[] } {
    return { byRank: this.byRank };
  }

  loadStateDict(state: { byRank: readonly Tensor[] }): void {
    this.byRank = state.byRank;
    const mine = state.byRank[this.group.rank()];
    if (mine !== undefined) this.set(mine);
  }
}

/** The states that a generator has on all ranks. */
function gatherStates(generator: Generator, group: ProcessGroup): Tensor[] {
  const mine = generator.getState();
  const states = group.ranks.map(() => emptyLike(mine));
  group.allGather(states, mine);
  return states;
}

function checkNames(op: string, parts: CheckpointParts): void {
  if (RANDOM in parts) throw new ValueError(`[${op}] "${RANDOM}" is taken: try another name for this part`);
}

/** Runs `fn` on the first rank of the group and gives all ranks its result, or its error. */
function onFirstRank<T>(op: string, group: ProcessGroup, fn: () => T): T {
  const box: { value?: T; error?: string }[] = [{}];
  if (group.rank() === 0) {
    try {
      box[0] = { value: fn() };
    } catch (error) {
      box[0] = { error: error instanceof Error ? error.message : String(error) };
    }
  }
  broadcastObjectList(box, { src: group.ranks[0] as number, group });
  const { value, error } = box[0] as { value?: T; error?: string };
  if (error !== undefined) throw new KindlingError(`[${op}] on rank ${group.ranks[0]}: ${error}`);
  return value as T;
}

/**
 * Saves a run in one file, as `saveCheckpoint` of `kindling/io` does, with the state of the default generator (and of
 * generators among the parts) of every rank. The first rank of the group writes; all call it, and go on once the file is
 * there. State that is shared out by a {@link ZeroRedundancyOptimizer} is gathered.
 * @example
 * const model = new DistributedDataParallel(new nn.Linear(4, 2));
 * const optimizer = new optim.Adam(model.parameters());
 * saveDistributedCheckpoint("run.safetensors", { model, optimizer }, { extra: { epoch: 3 } });
 * @throws KindlingError on all ranks when the file cannot be written.
 */
export function saveDistributedCheckpoint(
  path: string,
  parts: CheckpointParts,
  options: DistributedCheckpointOptions = {},
): void {
  const op = "saveDistributedCheckpoint";
  const group = groupOr(op, options.group);
  checkNames(op, parts);
  const whole: Record<string, CheckpointParts[string]> = {};
  const gather = (generator: Generator) =>
    new GeneratorByRank(group, (state) => generator.setState(state), gatherStates(generator, group));
  for (const [name, part] of Object.entries(parts)) {
    if (part instanceof ZeroRedundancyOptimizer) part.consolidateStateDict(0);
    whole[name] = part instanceof Generator ? gather(part) : part;
  }
  whole[RANDOM] = gather(defaultGenerator);
  onFirstRank(op, group, () => saveCheckpoint(path, whole, { extra: options.extra ?? {} }));
}

/**
 * Puts parts back on all ranks to where they were when they were saved, every rank's generators too, and returns the
 * extra values. The first rank of the group reads the file and sends it to the others. With another number of ranks than
 * when it was saved, ranks without a saved random state keep their own.
 * @example
 * const model = new DistributedDataParallel(new nn.Linear(4, 2));
 * saveDistributedCheckpoint("run.safetensors", { model }, { extra: { epoch: 3 } });
 * loadDistributedCheckpoint("run.safetensors", { model }).epoch; // 3
 * @throws KindlingError on all ranks when the file cannot be read, is no such checkpoint, or lacks a part.
 */
export function loadDistributedCheckpoint(
  path: string,
  parts: CheckpointParts = {},
  options: Pick<DistributedCheckpointOptions, "group"> = {},
): Record<string, unknown> {
  const op = "loadDistributedCheckpoint";
  const group = groupOr(op, options.group);
  checkNames(op, parts);
  const bytes = onFirstRank(op, group, () => new Uint8Array(readFileSync(path)));
  const whole: Record<string, CheckpointParts[string]> = {};
  const own = (generator: Generator, set: (state: Tensor) => void) =>
    new GeneratorByRank(
      group,
      set,
      group.ranks.map(() => generator.getState()),
    );
  for (const [name, part] of Object.entries(parts)) {
    if (part instanceof Generator) whole[name] = own(part, (state) => part.setState(state));
    // What it goes back to when another part does not fit: this rank's state.
    else if (part instanceof ZeroRedundancyOptimizer) {
      whole[name] = {
        stateDict: () => part.optim.stateDict(),
        loadStateDict: (state: OptimizerStateDict) => part.loadStateDict(state),
      };
    } else whole[name] = part;
  }
  // The file's own state of the default generator is that of the first rank.
  let random = defaultGenerator.getState();
  whole[RANDOM] = own(defaultGenerator, (state) => {
    random = state;
  });
  const extra = unpackCheckpoint(bytes, whole);
  defaultGenerator.setState(random);
  return extra;
}
