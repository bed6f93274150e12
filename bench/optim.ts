/** A step of each optimizer over a million parameters, in one tensor and in a thousand. */
import { manualSeed, randn } from "kindling";
import * as optim from "kindling/optim";
import type { Workload } from "./harness.js";

type Make = new (params: never, options: object) => { step(): void };

interface Bench {
  readonly name: string;
  readonly make: Make;
  readonly kindling?: object;
  readonly pytorch?: string;
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

const TOTAL = 1_000_000;

function workload({ name, make, kindling = {}, pytorch = "" }: Bench, tensors: number): Workload {
  return {
    name: `${name.toLowerCase()}-1M-in-${tensors}`,
    kindling: () => {
      manualSeed(0);
      const params = Array.from({ length: tensors }, () => randn([TOTAL / tensors], { requiresGrad: true }));
      for (const p of params) p.grad = randn([TOTAL / tensors]);
      const optimizer = new make(params as never, { lr: 1e-3, ...kindling });
      return () => optimizer.step();
    },
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

export const optimizers: Workload[] = OPTIMIZERS.flatMap((o) => [workload(o, 1), workload(o, 1000)]);
