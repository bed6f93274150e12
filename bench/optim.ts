/**
 * A step of each optimizer over a million parameters, in one tensor and in a thousand. Run by itself, this file prints
 * for one thread and for two what the thousand cost over the one: `tsx bench/optim.ts [NAME] [--tensors N]` after a
 * build; N tensors of 1,000 where a thousand are more than the machine's caches of addresses hold.
 * The thousand are vectors, and for optimizers that see matrices matrices of 25 x 40 too. What these are compared to does
 * the same arithmetic: Adafactor's one parameter is a stack of as many matrices; Muon takes no stacks, so its base are
 * the products and sums of its iterations alone, over all matrices as a batch.
 */
import { pathToFileURL } from "node:url";
import { manualSeed, noGrad, randn, setNumThreads, type Tensor } from "kindling";
import * as optim from "kindling/optim";
import { time, timePytorch, type Workload } from "./harness.js";

type Make = new (params: never, options: object) => { step(): void };

interface Bench {
  readonly name: string;
  readonly make: Make;
  readonly kindling?: object;
  readonly pytorch?: string;
  /** Matrices in place of vectors. */
  readonly matrix?: readonly [number, number];
  /** What a thousand are compared to, unless to a step over one tensor. */
  readonly base?: () => () => void;
}

const OPTIMIZERS: readonly Bench[] = [
  { name: "SGD", make: optim.SGD, kindling: { momentum: 0.9 }, pytorch: "momentum=0.9" },
  { name: "Adam", make: optim.Adam },
  { name: "AdamW", make: optim.AdamW },
  { name: "Adamax", make: optim.Adamax },
  { name: "NAdam", make: optim.NAdam },
  { name: "RAdam", make: optim.RAdam },
  { name: "Adagrad", make: optim.Adagrad },
  { name: "Adadelta", make: optim.Adadelta },
  { name: "RMSprop", make: optim.RMSprop },
  { name: "Rprop", make: optim.Rprop },
  { name: "ASGD", make: optim.ASGD },
  { name: "Adafactor", make: optim.Adafactor },
];

const count = process.argv.indexOf("--tensors");
const TENSORS = count < 0 ? 1000 : Number(process.argv[count + 1]);
const TOTAL = 1000 * TENSORS;
const MATRIX = [25, 40] as const;

/** Muon's five iterations X = a X + (b X X' + c (X X')^2) X over a batch of matrices. */
function iterations(): () => void {
  const [a, b, c] = [3.4445, -4.775, 2.0315];
  const start = randn([TOTAL / (MATRIX[0] * MATRIX[1]), ...MATRIX]).mul(0.01);
  return () =>
    noGrad(() => {
      let x = start;
      for (let i = 0; i < 5; i++) {
        const gram = x.matmul(x.transpose(1, 2));
        x = x.mul(a).add(gram.mul(b).add(gram.matmul(gram), { alpha: c }).matmul(x));
      }
    });
}

/** Those that see matrices, over matrices. */
const OF_MATRICES: readonly Bench[] = [
  { name: "Adafactor of matrices", make: optim.Adafactor, matrix: MATRIX },
  { name: "Muon", make: optim.Muon, matrix: MATRIX, base: iterations },
];

/** `fresh`: the gradients are other tensors in every step, as after a backward pass. */
function stepOf({ make, kindling = {}, matrix, base }: Bench, tensors: number, fresh = false): () => void {
  manualSeed(0);
  if (base !== undefined && tensors === 1) return base();
  const stack =
    matrix === undefined ? [] : [...(tensors === 1 ? [TOTAL / (matrix[0] * matrix[1])] : []), ...matrix];
  const values = () => randn(matrix === undefined ? [TOTAL / tensors] : stack);
  const params = Array.from({ length: tensors }, () => values().requiresGrad_());
  const grads = [0, 1].map(() => params.map(values)) as [Tensor[], Tensor[]];
  const give = (k: 0 | 1) => {
    for (let i = 0; i < tensors; i++) (params[i] as Tensor).grad = grads[k][i] as Tensor;
  };
  give(0);
  const optimizer = new make(params as never, { lr: 1e-3, ...kindling });
  if (!fresh) return () => optimizer.step();
  let k: 0 | 1 = 0;
  return () => {
    k = k === 0 ? 1 : 0;
    give(k);
    optimizer.step();
  };
}

function workload(bench: Bench, tensors: number): Workload {
  const { name, pytorch = "" } = bench;
  return {
    name: `${name.toLowerCase()}-1M-in-${tensors}`,
    kindling: () => stepOf(bench, tensors),
    // The faster of PyTorch's two ways: many tensors go through foreach.
    ...(name === "Adafactor"
      ? {}
      : {
          pytorch: `
params = [torch.randn(${TOTAL / tensors}, requires_grad=True) for _ in range(${tensors})]
for p in params: p.grad = torch.randn(${TOTAL / tensors})
optimizer = torch.optim.${name}(params, lr=1e-3, foreach=${tensors > 1 ? "True" : "False"}${pytorch === "" ? "" : `, ${pytorch}`})
step = optimizer.step
`,
        }),
  };
}

export const optimizers: Workload[] = OPTIMIZERS.flatMap((o) => [workload(o, 1), workload(o, TENSORS)]);

/** Prints milliseconds of both, three times over in turns (medians), and their ratio; then PyTorch's. */
function compare(benches: readonly Bench[], seconds: number): void {
  const theirs = timePytorch(
    benches.filter((b) => b.matrix === undefined).flatMap((b) => [workload(b, 1), workload(b, TENSORS)]),
    [1, 2],
    seconds,
  );
  const row = (cells: readonly string[]) =>
    console.log(cells.map((c, i) => (i === 0 ? c.padEnd(36) : c.padStart(12))).join(""));
  const n = String(TENSORS);
  row(["", "1 tensor", n, "ratio", "fresh grads", "PyTorch 1", n, "ratio"]);
  for (const bench of benches) {
    for (const threads of [1, 2]) {
      setNumThreads(threads);
      const steps = [stepOf(bench, 1), stepOf(bench, TENSORS), stepOf(bench, TENSORS, true)];
      const rounds = [0, 1, 2].map(() => steps.map((step) => time(step, seconds)));
      const [one, many, fresh] = steps.map((_, k) => {
        const sorted = rounds.map((r) => r[k] as number).sort((a, b) => a - b);
        return sorted[1] as number;
      }) as [number, number, number];
      const [a, b] = [1, TENSORS].map((n) => theirs.get(workload(bench, n).name)?.get(threads));
      row([
        `${bench.name}, threads: ${threads}`,
        ...[one, many].map((ms) => ms.toFixed(3)),
        (many / one).toFixed(2),
        fresh.toFixed(3),
        ...(a === undefined || b === undefined ? [] : [a.toFixed(3), b.toFixed(3), (b / a).toFixed(2)]),
      ]);
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const only = process.argv[2]?.startsWith("--") ? undefined : process.argv[2];
  compare(
    [...OPTIMIZERS, ...OF_MATRICES].filter(({ name }) => only === undefined || name === only),
    0.1,
  );
}
