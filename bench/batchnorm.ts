/**
 * Batch normalization, forward and forward with backward, beside PyTorch; and beside the time that copying the same
 * bytes takes. The sums of a channel must be complete before its map begins, so forward reads x twice and writes y,
 * backward reads x and g twice and writes dx: eight tensors at the least, five in a cache as large as all of them.
 */
import { pathToFileURL } from "node:url";
import { autograd, nn, noGrad, randn, scope, type Tensor } from "kindling";
import { main, print, run, time, type Workload } from "./harness.js";

type Rank = 1 | 2 | 3;

/** Three sizes for each number of dimensions. */
const SIZES: Readonly<Record<Rank, readonly (readonly number[])[]>> = {
  1: [
    [64, 128],
    [256, 64, 128],
    [4096, 512],
  ],
  2: [
    [64, 16, 14, 14],
    [64, 32, 28, 28],
    [32, 256, 14, 14],
  ],
  3: [
    [8, 8, 8, 14, 14],
    [8, 32, 8, 14, 14],
    [4, 32, 16, 28, 28],
  ],
};

function layerOf(rank: Rank, channels: number): nn.BatchNormBase {
  return new nn[`BatchNorm${rank}d`](channels);
}

function workloads(rank: Rank, shape: readonly number[]): Workload[] {
  const channels = shape[1] as number;
  const name = `BatchNorm${rank}d ${shape.join("x")}`;
  const setup = `
bn, x, g = nn.BatchNorm${rank}d(${channels}), torch.randn(${shape.join(", ")}), torch.randn(${shape.join(", ")})
leaves = [x.requires_grad_(), *bn.parameters()]
`;
  return [
    {
      name: `${name}, forward`,
      kindling: () => {
        const [bn, x] = [layerOf(rank, channels), randn(shape)];
        return () => scope(() => void noGrad(() => bn(x)));
      },
      pytorch: `${setup}
def step():
    with torch.no_grad(): bn(x)
`,
    },
    {
      name: `${name}, forward+backward`,
      kindling: () => {
        const [bn, x, g] = [layerOf(rank, channels), randn(shape, { requiresGrad: true }), randn(shape)];
        const leaves: Tensor[] = [x, ...bn.parameters()];
        return () => scope(() => void autograd.grad(bn(x), leaves, { gradOutputs: g }));
      },
      pytorch: `${setup}
def step(): torch.autograd.grad(bn(x), leaves, g)
`,
    },
  ];
}

/** Milliseconds to copy one tensor of that shape, in a round over as many tensors as a step has: none stays cached. */
function copyTime(shape: readonly number[], seconds: number): number {
  const [x, y, g, gx] = [1, 2, 3, 4].map(() => randn(shape)) as [Tensor, Tensor, Tensor, Tensor];
  const both = time(() => {
    y.copy_(x);
    gx.copy_(g);
  }, seconds);
  return both / 2;
}

export const batchnorm: Workload[] = ([1, 2, 3] as const).flatMap((rank) =>
  SIZES[rank].flatMap((shape) => workloads(rank, shape)),
);

/** Forward+backward against copies, of which each moves 2 tensors. */
function compareWithCopies(seconds: number): void {
  console.log("\nforward+backward beside copying the same bytes: 5 tensors; with the passes for the sums 8");
  for (const rank of [1, 2, 3] as const) {
    for (const shape of SIZES[rank]) {
      const step = (workloads(rank, shape)[1] as Workload).kindling();
      const copy = copyTime(shape, seconds);
      const ms = time(step, seconds);
      const bytes = 4 * shape.reduce((a, b) => a * b, 1);
      console.log(
        `${`BatchNorm${rank}d ${shape.join("x")}`.padEnd(34)}${(1000 * ms).toFixed(1).padStart(9)} us: ` +
          `${(ms / (2.5 * copy)).toFixed(2)} x 5 tensors, ${(ms / (4 * copy)).toFixed(2)} x 8 tensors ` +
          `copied at ${((2 * bytes) / (1e6 * copy)).toFixed(1)} GB/s`,
      );
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const argv = process.argv.slice(2);
  if (argv.includes("--json")) main(batchnorm, argv);
  else {
    const flag = argv.indexOf("--seconds");
    const seconds = flag < 0 ? 0.5 : Number(argv[flag + 1]);
    print(batchnorm, run(batchnorm, { seconds }));
    compareWithCopies(seconds);
  }
}
