/** Convolutions, forward and as a training step (gradients of input, weight and bias), beside PyTorch. */
import { autograd, nn, noGrad, randn, type Tensor } from "kindling";
import type { Workload } from "./harness.js";

/** The same layer in both libraries. */
export interface Layer {
  readonly name: string;
  readonly input: readonly number[];
  readonly kindling: () => nn.Module<[Tensor]>;
  readonly pytorch: string;
}

/** Forward alone, and forward with backward from a given gradient. */
export function layerWorkloads({ name, input, kindling, pytorch }: Layer): Workload[] {
  const size = `[${input.join(", ")}]`;
  return [
    {
      name: `${name}, forward`,
      kindling: () => {
        const layer = kindling();
        const x = randn(input);
        return () => noGrad(() => layer(x));
      },
      pytorch: `
m = ${pytorch}
x = torch.randn(${size})
def step():
    with torch.no_grad(): return m(x)
`,
    },
    {
      name: `${name}, step`,
      kindling: () => {
        const layer = kindling();
        const x = randn(input, { requiresGrad: true });
        const g = noGrad(() => randn(layer(x).shape));
        const leaves = [x, ...layer.parameters()];
        return () => autograd.grad([layer(x)], leaves, { gradOutputs: [g] });
      },
      pytorch: `
m = ${pytorch}
x = torch.randn(${size}, requires_grad=True)
g = torch.randn_like(m(x))
leaves = [x, *m.parameters()]
def step(): return torch.autograd.grad(m(x), leaves, g)
`,
    },
  ];
}

const layers: Layer[] = [
  {
    name: "conv2d 64x1x28x28 to 16, k3",
    input: [64, 1, 28, 28],
    kindling: () => new nn.Conv2d(1, 16, 3, { padding: 1 }),
    pytorch: "nn.Conv2d(1, 16, 3, padding=1)",
  },
  {
    name: "conv2d 64x16x14x14 to 32, k3",
    input: [64, 16, 14, 14],
    kindling: () => new nn.Conv2d(16, 32, 3, { padding: 1 }),
    pytorch: "nn.Conv2d(16, 32, 3, padding=1)",
  },
  {
    name: "conv2d 8x64x32x32 to 64, k3",
    input: [8, 64, 32, 32],
    kindling: () => new nn.Conv2d(64, 64, 3, { padding: 1 }),
    pytorch: "nn.Conv2d(64, 64, 3, padding=1)",
  },
  {
    name: "conv2d 8x64x32x32 to 128, k3 s2",
    input: [8, 64, 32, 32],
    kindling: () => new nn.Conv2d(64, 128, 3, { stride: 2, padding: 1 }),
    pytorch: "nn.Conv2d(64, 128, 3, stride=2, padding=1)",
  },
  {
    name: "conv2d 8x128x8x8 to 256, k3",
    input: [8, 128, 8, 8],
    kindling: () => new nn.Conv2d(128, 256, 3, { padding: 1 }),
    pytorch: "nn.Conv2d(128, 256, 3, padding=1)",
  },
  {
    name: "conv2d 1x3x224x224 to 64, k7 s2",
    input: [1, 3, 224, 224],
    kindling: () => new nn.Conv2d(3, 64, 7, { stride: 2, padding: 3 }),
    pytorch: "nn.Conv2d(3, 64, 7, stride=2, padding=3)",
  },
  {
    name: "conv2d 8x128x16x16 to 256, k1",
    input: [8, 128, 16, 16],
    kindling: () => new nn.Conv2d(128, 256, 1),
    pytorch: "nn.Conv2d(128, 256, 1)",
  },
  {
    name: "conv2d 8x64x56x56 to 64, k3",
    input: [8, 64, 56, 56],
    kindling: () => new nn.Conv2d(64, 64, 3, { padding: 1 }),
    pytorch: "nn.Conv2d(64, 64, 3, padding=1)",
  },
  {
    name: "conv2d 8x256x56x56 to 512, k1 s2",
    input: [8, 256, 56, 56],
    kindling: () => new nn.Conv2d(256, 512, 1, { stride: 2 }),
    pytorch: "nn.Conv2d(256, 512, 1, stride=2)",
  },
  {
    name: "conv2d 8x128x28x28, k3 depthwise",
    input: [8, 128, 28, 28],
    kindling: () => new nn.Conv2d(128, 128, 3, { padding: 1, groups: 128 }),
    pytorch: "nn.Conv2d(128, 128, 3, padding=1, groups=128)",
  },
  {
    name: "convTranspose2d 8x64x14x14 to 32, k4 s2",
    input: [8, 64, 14, 14],
    kindling: () => new nn.ConvTranspose2d(64, 32, 4, { stride: 2, padding: 1 }),
    pytorch: "nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)",
  },
  {
    name: "conv1d 16x32x1000 to 64, k5",
    input: [16, 32, 1000],
    kindling: () => new nn.Conv1d(32, 64, 5, { padding: 2 }),
    pytorch: "nn.Conv1d(32, 64, 5, padding=2)",
  },
  {
    name: "conv3d 2x16x16x32x32 to 32, k3",
    input: [2, 16, 16, 32, 32],
    kindling: () => new nn.Conv3d(16, 32, 3, { padding: 1 }),
    pytorch: "nn.Conv3d(16, 32, 3, padding=1)",
  },
];

export const conv: Workload[] = layers.flatMap(layerWorkloads);
