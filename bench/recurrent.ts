/** Recurrent layers over sequences and their cells, forward alone and with the backward. */
import { manualSeed, nn, noGrad, randn, type Tensor } from "kindling";
import type { Workload } from "./harness.js";

type Layer = nn.Module<[Tensor], unknown>;

/** One layer on inputs of a shape: its output forward, and the sum of that with gradients of all. */
function pair(name: string, build: () => Layer, torch: string, shape: readonly number[]): Workload[] {
  const output = (layer: Layer, x: Tensor): Tensor => {
    const out = layer(x);
    return (Array.isArray(out) ? out[0] : out) as Tensor;
  };
  const prepared = (requiresGrad: boolean): [Layer, Tensor] => {
    manualSeed(0);
    return [build(), randn(shape, { requiresGrad })];
  };
  return [
    {
      name: `${name} forward`,
      kindling: () => {
        const [layer, x] = prepared(false);
        return () => noGrad(() => output(layer, x));
      },
      pytorch: `
layer, x = nn.${torch}, torch.randn(${shape.join(", ")})
def step():
    with torch.no_grad(): layer(x)
`,
    },
    {
      name: `${name} with backward`,
      kindling: () => {
        const [layer, x] = prepared(true);
        return () => {
          layer.zeroGrad();
          x.grad = null;
          output(layer, x).sum().backward();
        };
      },
      pytorch: `
layer, x = nn.${torch}, torch.randn(${shape.join(", ")}, requires_grad=True)
def step():
    layer.zero_grad()
    x.grad = None
    y = layer(x)
    (y[0] if isinstance(y, tuple) else y).sum().backward()
`,
    },
  ];
}

export const recurrent: Workload[] = (["LSTM", "GRU", "RNN"] as const).flatMap((kind) => [
  ...(
    [
      [16, 8, 32, 32],
      [64, 32, 64, 128],
      [32, 16, 256, 256],
    ] as const
  ).flatMap(([T, N, I, H]) => {
    const build = () => new nn[kind](I, H) as Layer;
    return pair(`${kind}(${I}, ${H}) ${T}x${N}`, build, `${kind}(${I}, ${H})`, [T, N, I]);
  }),
  ...(
    [
      [1, 32, 64],
      [1, 128, 256],
      [32, 64, 128],
    ] as const
  ).flatMap(([N, I, H]) => {
    const build = () => new nn[`${kind}Cell`](I, H) as Layer;
    return pair(`${kind}Cell(${I}, ${H}) batch ${N}`, build, `${kind}Cell(${I}, ${H})`, [N, I]);
  }),
]);
