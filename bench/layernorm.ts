/** Layer, group, instance and RMS norm, forward and forward with backward, beside PyTorch. */
import { pathToFileURL } from "node:url";
import { autograd, nn, noGrad, randn, scope, type Tensor } from "kindling";
import { main, type Workload } from "./harness.js";

interface Case {
  /** The layer here, and in Python. */
  readonly make: () => nn.Module<[Tensor], Tensor>;
  readonly python: string;
  readonly shape: readonly number[];
}

const layer = (width: number, shape: readonly number[]): Case => ({
  make: () => new nn.LayerNorm(width),
  python: `nn.LayerNorm(${width})`,
  shape,
});
const group = (groups: number, shape: readonly number[]): Case => ({
  make: () => new nn.GroupNorm(groups, shape[1] as number),
  python: `nn.GroupNorm(${groups}, ${shape[1]})`,
  shape,
});
const instance = (shape: readonly number[]): Case => ({
  make: () => new nn.InstanceNorm2d(shape[1] as number, { affine: true }),
  python: `nn.InstanceNorm2d(${shape[1]}, affine=True)`,
  shape,
});
/** PyTorch has a fused RMS norm from 2.4 on; before that, its formula. */
const rms = (width: number, shape: readonly number[]): Case => ({
  make: () => new nn.RMSNorm(width, { eps: 1e-6 }),
  python: `RMSNorm(${width})
class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
    def forward(self, x): return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight
`,
  shape,
});

const cases: readonly Case[] = [
  layer(128, [16, 64, 128]),
  layer(512, [8, 128, 512]),
  layer(768, [8, 512, 768]),
  rms(512, [8, 128, 512]),
  group(4, [16, 32, 14, 14]),
  group(8, [32, 64, 28, 28]),
  group(32, [16, 256, 14, 14]),
  instance([32, 64, 28, 28]),
];

function workloads({ make, python, shape }: Case): Workload[] {
  const [call, definition = ""] = python.split(/\n(?=class)/);
  const name = `${(call as string).replace(/^nn\./, "").replace(/\(.*/, "")} ${shape.join("x")}`;
  const size = shape.join(", ");
  const setup = `
${definition}
norm, x, g = ${call}, torch.randn(${size}), torch.randn(${size})
leaves = [x.requires_grad_(), *norm.parameters()]
`;
  return [
    {
      name: `${name}, forward`,
      kindling: () => {
        const [norm, x] = [make(), randn(shape)];
        return () => scope(() => void noGrad(() => norm(x)));
      },
      pytorch: `${setup}
def step():
    with torch.no_grad(): norm(x)
`,
    },
    {
      name: `${name}, forward+backward`,
      kindling: () => {
        const [norm, x, g] = [make(), randn(shape, { requiresGrad: true }), randn(shape)];
        const leaves: Tensor[] = [x, ...norm.parameters()];
        return () => scope(() => void autograd.grad(norm(x), leaves, { gradOutputs: g }));
      },
      pytorch: `${setup}
def step(): torch.autograd.grad(norm(x), leaves, g)
`,
    },
  ];
}

export const layernorm: Workload[] = cases.flatMap(workloads);

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main(layernorm);
