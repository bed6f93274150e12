/** All benches: `npm run bench -- [--json] [--only NAME] [--seconds N] [--isa avx2|sse4]`. */

import { batchnorm } from "./batchnorm.js";
import { conv } from "./conv.js";
import { embedding } from "./embedding.js";
import { main, type Workload } from "./harness.js";
import { layernorm } from "./layernorm.js";
import { loss } from "./loss.js";
import { ops } from "./ops.js";
import { optimizers } from "./optim.js";
import { pooling } from "./pooling.js";
import { recurrent } from "./recurrent.js";
import { sequence } from "./sequence.js";
import { steps } from "./steps.js";

const workloads: Workload[] = [
  ...steps,
  ...sequence,
  ...recurrent,
  ...optimizers,
  ...ops,
  ...conv,
  ...pooling,
  ...loss,
  ...embedding,
  ...batchnorm,
  ...layernorm,
];

main(workloads);
