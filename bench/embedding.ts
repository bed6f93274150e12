/** Lookups in tables, forward and backward. */
import { arange, manualSeed, nn, randint } from "kindling";
import type { Workload } from "./harness.js";

function lookup(rows: number, columns: number, n: number): Workload {
  return {
    name: `embedding ${n} of ${rows} x ${columns}`,
    kindling: () => {
      manualSeed(0);
      const m = new nn.Embedding(rows, columns);
      const index = randint(0, rows, [n]);
      return () => {
        m.zeroGrad();
        m(index).sum().backward();
      };
    },
    pytorch: `
m, index = nn.Embedding(${rows}, ${columns}), torch.randint(0, ${rows}, (${n},))
def step():
    m.zero_grad(set_to_none=True)
    m(index).sum().backward()
`,
  };
}

function bag(rows: number, columns: number, bags: number, size: number): Workload {
  return {
    name: `embedding bag ${bags} of ${size}, ${rows} x ${columns}`,
    kindling: () => {
      manualSeed(0);
      const m = new nn.EmbeddingBag(rows, columns, { mode: "mean" });
      const index = randint(0, rows, [bags * size]);
      const offsets = arange(0, bags * size, size);
      return () => {
        m.zeroGrad();
        m(index, { offsets }).sum().backward();
      };
    },
    pytorch: `
m, index = nn.EmbeddingBag(${rows}, ${columns}, mode="mean"), torch.randint(0, ${rows}, (${bags * size},))
offsets = torch.arange(0, ${bags * size}, ${size})
def step():
    m.zero_grad(set_to_none=True)
    m(index, offsets).sum().backward()
`,
  };
}

export const embedding: Workload[] = [
  lookup(1000, 64, 32),
  lookup(10_000, 256, 4096),
  bag(10_000, 64, 512, 16),
];
