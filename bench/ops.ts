/** Single ops: the cost of a small one, memory-bound large ones, matrix products. */
import { exp, ones, randn, scope } from "kindling";
import type { Workload } from "./harness.js";

function product(n: number): Workload {
  return {
    name: `matmul ${n}`,
    flops: 2 * n ** 3,
    kindling: () => {
      const a = randn([n, n]);
      const b = randn([n, n]);
      return () => a.matmul(b);
    },
    pytorch: `
a, b = torch.randn(${n}, ${n}), torch.randn(${n}, ${n})
def step(): return a @ b
`,
  };
}

function addition(n: number): Workload {
  return {
    name: `add ${n}`,
    kindling: () => {
      const a = randn([n]);
      const b = randn([n]);
      return () => a.add(b);
    },
    pytorch: `
a, b = torch.randn(${n}), torch.randn(${n})
def step(): return a + b
`,
  };
}

export const ops: Workload[] = [
  addition(16),
  {
    name: "mul 16, recorded",
    kindling: () => {
      const a = ones([16], { requiresGrad: true });
      const b = ones([16]);
      return () => a.mul(b);
    },
    pytorch: `
a, b = torch.ones(16, requires_grad=True), torch.ones(16)
def step(): return a * b
`,
  },
  addition(1000),
  addition(1_000_000),
  {
    // PyTorch frees a result at once when its count of references ends: scope does the same.
    ...addition(1_000_000),
    name: "add 1000000, scope",
    kindling: () => {
      const a = randn([1_000_000]);
      const b = randn([1_000_000]);
      return () =>
        scope(() => {
          a.add(b);
        });
    },
  },
  {
    name: "exp 1000000",
    kindling: () => {
      const a = randn([1_000_000]);
      return () => exp(a);
    },
    pytorch: `
a = torch.randn(1000000)
def step(): return torch.exp(a)
`,
  },
  product(64),
  product(256),
  product(512),
  product(1024),
];
