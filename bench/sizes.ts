/**
 * Elementwise and index ops at four sizes, forward and with the backward, beside PyTorch: a table in four short runs,
 * `--only " 16"`, `" 1k"`, `" 100k"` and `" 1M"` with `--seconds 0.03`, which shows what is slow; longer runs of those.
 */
import { pathToFileURL } from "node:url";
import * as k from "kindling";
import { noGrad, scope, type Tensor } from "kindling";
import { functional as F } from "kindling/nn";
import { main, type Workload } from "./harness.js";

/** Vectors of n elements; u has rows of 10, m is (about) a square, whose rows and columns j and r index. */
interface Inputs {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly p: Tensor;
  readonly q: Tensor;
  readonly t: Tensor;
  readonly u: Tensor;
  readonly m: Tensor;
  readonly mask: Tensor;
  readonly i: Tensor;
  readonly j: Tensor;
  readonly r: Tensor;
}

type Call = (t: Inputs) => Tensor;

const SIZES = { "16": 16, "1k": 1000, "100k": 100_000, "1M": 1_000_000 };

function inputs(n: number, requiresGrad: boolean): Inputs {
  k.manualSeed(0);
  const side = Math.floor(Math.sqrt(n));
  const leaf = (t: Tensor) => t.requiresGrad_(requiresGrad);
  return {
    a: leaf(k.randn([n])),
    b: leaf(k.randn([n])),
    p: leaf(k.rand([n]).add(0.1)),
    q: leaf(k.rand([n]).mul(0.98).add(0.01)),
    t: k.rand([n]),
    u: leaf(k.randn([Math.ceil(n / 10), 10])),
    m: leaf(k.randn([side, side])),
    mask: k.randn([n]).gt(0),
    i: k.randint(0, 1000, [n]),
    j: k.randint(0, side, [side, side]),
    r: k.randint(0, side, [side]),
  };
}

/** An op on n elements; `backward` adds the gradient of its sum. */
function workload(
  name: string,
  python: string,
  call: Call,
  size: keyof typeof SIZES,
  backward: boolean,
): Workload {
  const n = SIZES[size];
  return {
    name: `${name} ${size}${backward ? ", backward" : ""}`,
    kindling: () => {
      const t = inputs(n, backward);
      const leaves = Object.values(t).filter((x: Tensor) => x.requiresGrad) as Tensor[];
      const ones = backward ? k.onesLike(call(t)) : null;
      const step = () => {
        if (ones === null) return void noGrad(() => call(t));
        for (const leaf of leaves) leaf.grad = null;
        call(t).backward(ones);
      };
      return () => scope(step);
    },
    pytorch: `
def leaf(t): return t.requires_grad_(${backward ? "True" : "False"})
n, side = ${n}, ${Math.floor(Math.sqrt(n))}
a, b, p, q = leaf(torch.randn(n)), leaf(torch.randn(n)), leaf(torch.rand(n) + 0.1), leaf(torch.rand(n) * 0.98 + 0.01)
t, u, m = torch.rand(n), leaf(torch.randn((n + 9) // 10, 10)), leaf(torch.randn(side, side))
mask, i = torch.randn(n) > 0, torch.randint(0, 1000, (n,))
j, r = torch.randint(0, side, (side, side)), torch.randint(0, side, (side,))
leaves = [x for x in (a, b, p, q, u, m) if x.requires_grad]
def call():
    y = ${python}
    return y[0] if isinstance(y, tuple) else y
ones = torch.ones_like(call())
def step():
    ${backward ? "for x in leaves: x.grad = None\n    call().backward(ones)" : "with torch.no_grad(): call()"}
`,
  };
}

/** [name, Python, call]: ops with a gradient. */
const DIFFERENTIABLE: readonly (readonly [string, string, Call])[] = [
  ["add", "a + b", (t) => t.a.add(t.b)],
  ["mul", "a * b", (t) => t.a.mul(t.b)],
  ["div", "a / p", (t) => t.a.div(t.p)],
  ["addcmul", "torch.addcmul(a, b, p)", (t) => t.a.addcmul(t.b, t.p)],
  ["lerp", "torch.lerp(a, b, 0.5)", (t) => t.a.lerp(t.b, 0.5)],
  ["pow", "p ** 2.5", (t) => t.p.pow(2.5)],
  ["pow of tensors", "p ** b", (t) => t.p.pow(t.b)],
  ["square", "a.square()", (t) => t.a.square()],
  ["sqrt", "p.sqrt()", (t) => t.p.sqrt()],
  ["rsqrt", "p.rsqrt()", (t) => t.p.rsqrt()],
  ["reciprocal", "p.reciprocal()", (t) => t.p.reciprocal()],
  ["abs", "a.abs()", (t) => t.a.abs()],
  ["exp", "a.exp()", (t) => t.a.exp()],
  ["exp2", "torch.exp2(a)", (t) => t.a.exp2()],
  ["expm1", "a.expm1()", (t) => t.a.expm1()],
  ["log", "p.log()", (t) => t.p.log()],
  ["log2", "p.log2()", (t) => t.p.log2()],
  ["log1p", "p.log1p()", (t) => t.p.log1p()],
  ["sin", "a.sin()", (t) => t.a.sin()],
  ["cos", "a.cos()", (t) => t.a.cos()],
  ["tan", "a.tan()", (t) => t.a.tan()],
  ["atan", "a.atan()", (t) => t.a.atan()],
  ["atan2", "torch.atan2(a, b)", (t) => t.a.atan2(t.b)],
  ["asin", "q.asin()", (t) => t.q.asin()],
  ["sinh", "a.sinh()", (t) => t.a.sinh()],
  ["cosh", "a.cosh()", (t) => t.a.cosh()],
  ["asinh", "a.asinh()", (t) => t.a.asinh()],
  ["tanh", "a.tanh()", (t) => t.a.tanh()],
  ["sigmoid", "a.sigmoid()", (t) => t.a.sigmoid()],
  ["logit", "q.logit()", (t) => t.q.logit()],
  ["erf", "a.erf()", (t) => t.a.erf()],
  ["relu", "a.relu()", (t) => t.a.relu()],
  ["relu6", "F.relu6(a)", (t) => F.relu6(t.a)],
  ["leakyRelu", "F.leaky_relu(a)", (t) => F.leakyRelu(t.a)],
  ["elu", "F.elu(a)", (t) => F.elu(t.a)],
  ["selu", "F.selu(a)", (t) => F.selu(t.a)],
  ["silu", "F.silu(a)", (t) => F.silu(t.a)],
  ["mish", "F.mish(a)", (t) => F.mish(t.a)],
  ["gelu", "F.gelu(a)", (t) => F.gelu(t.a)],
  ["geluTanh", "F.gelu(a, approximate='tanh')", (t) => F.gelu(t.a, { approximate: "tanh" })],
  ["softplus", "F.softplus(a)", (t) => F.softplus(t.a)],
  ["logsigmoid", "F.logsigmoid(a)", (t) => F.logsigmoid(t.a)],
  ["softsign", "F.softsign(a)", (t) => F.softsign(t.a)],
  ["tanhshrink", "F.tanhshrink(a)", (t) => F.tanhshrink(t.a)],
  ["hardswish", "F.hardswish(a)", (t) => F.hardswish(t.a)],
  ["hardsigmoid", "F.hardsigmoid(a)", (t) => F.hardsigmoid(t.a)],
  ["prelu", "F.prelu(a, b[:1])", (t) => F.prelu(t.a, t.b.narrow(0, 0, 1))],
  ["glu", "F.glu(u, 1)", (t) => F.glu(t.u, 1)],
  ["clamp", "a.clamp(-1, 1)", (t) => t.a.clamp({ min: -1, max: 1 })],
  ["maximum", "torch.maximum(a, b)", (t) => t.a.maximum(t.b)],
  ["where", "torch.where(mask, a, b)", (t) => k.where(t.mask, t.a, t.b)],
  ["maskedFill", "a.masked_fill(mask, 0)", (t) => t.a.maskedFill(t.mask, 0)],
  ["dropout", "F.dropout(a, 0.5)", (t) => F.dropout(t.a, 0.5)],
  ["remainder", "torch.remainder(a, 0.7)", (t) => t.a.remainder(0.7)],
  ["hypot", "torch.hypot(a, b)", (t) => t.a.hypot(t.b)],
  ["mseLoss", "F.mse_loss(a, t)", (t) => F.mseLoss(t.a, t.t)],
  ["smoothL1Loss", "F.smooth_l1_loss(a, t)", (t) => F.smoothL1Loss(t.a, t.t)],
  ["bce", "F.binary_cross_entropy(q, t)", (t) => F.binaryCrossEntropy(t.q, t.t)],
  [
    "bceWithLogits",
    "F.binary_cross_entropy_with_logits(a, t)",
    (t) => F.binaryCrossEntropyWithLogits(t.a, t.t),
  ],
  ["indexSelect rows", "m.index_select(0, r)", (t) => t.m.indexSelect(0, t.r)],
  ["indexSelect columns", "m.index_select(1, r)", (t) => t.m.indexSelect(1, t.r)],
  ["at a list", "m[r]", (t) => t.m.at(t.r)],
  ["at a mask", "a[mask]", (t) => t.a.at(t.mask)],
  ["at lists", "m[r, r]", (t) => t.m.at(t.r, t.r)],
  ["gather rows", "m.gather(0, j)", (t) => t.m.gather(0, t.j)],
  ["gather columns", "m.gather(1, j)", (t) => t.m.gather(1, t.j)],
  ["take", "a.take(j)", (t) => t.a.take(t.j)],
  ["scatter rows", "m.scatter(0, j, 1.0)", (t) => t.m.scatter(0, t.j, 1)],
  ["scatterAdd rows", "m.scatter_add(0, j, m)", (t) => t.m.scatterAdd(0, t.j, t.m)],
  ["scatterAdd columns", "m.scatter_add(1, j, m)", (t) => t.m.scatterAdd(1, t.j, t.m)],
  ["indexAdd", "m.index_add(0, r, m)", (t) => t.m.indexAdd(0, t.r, t.m)],
  ["topk 3 of rows of 10", "u.topk(3, 1)", (t) => t.u.topk(3, { dim: 1 }).values],
  ["topk 5 of rows", "m.topk(min(5, side), 1)", (t) => t.m.topk(Math.min(5, t.r.numel), { dim: 1 }).values],
  ["sort rows of 10", "u.sort(1)", (t) => t.u.sort(1).values],
  ["sort rows", "m.sort(1)", (t) => t.m.sort(1).values],
  ["sort columns", "m.sort(0)", (t) => t.m.sort(0).values],
  ["sort", "a.sort()", (t) => t.a.sort().values],
  ["median of rows of 10", "u.median(1)", (t) => t.u.median(1).values],
  ["max of rows of 10", "u.max(1)", (t) => t.u.max(1).values],
  ["max of rows", "m.max(1)", (t) => t.m.max(1).values],
  ["max of columns", "m.max(0)", (t) => t.m.max(0).values],
  ["cumsum rows", "m.cumsum(1)", (t) => t.m.cumsum(1)],
  ["cumsum", "a.cumsum(0)", (t) => t.a.cumsum(0)],
  ["cumprod rows", "m.cumprod(1)", (t) => t.m.cumprod(1)],
  ["logcumsumexp", "m.logcumsumexp(1)", (t) => t.m.logcumsumexp(1)],
  ["cat", "torch.cat([a, b])", (t) => k.cat([t.a, t.b])],
  ["cat columns", "torch.cat([m, m], 1)", (t) => k.cat([t.m, t.m], 1)],
  ["stack columns", "torch.stack([a, b], 1)", (t) => k.stack([t.a, t.b], 1)],
  ["transpose", "m.t().contiguous()", (t) => t.m.t().contiguous()],
  ["roll", "m.roll(1, 1)", (t) => t.m.roll(1, 1)],
  ["flip", "m.flip(1)", (t) => t.m.flip(1)],
  ["tril", "m.tril()", (t) => t.m.tril()],
  ["pad", "F.pad(m, (1, 1, 1, 1))", (t) => F.pad(t.m, [1, 1, 1, 1])],
  ["repeatInterleave", "a.repeat_interleave(2)", (t) => t.a.repeatInterleave(2)],
  ["diff", "a.diff()", (t) => t.a.diff()],
];

/** Ops without a gradient. */
const OTHERS: readonly (readonly [string, string, Call])[] = [
  ["gt", "a > b", (t) => t.a.gt(t.b)],
  ["eq a number", "i == 3", (t) => t.i.eq(3)],
  ["logicalNot", "~mask", (t) => t.mask.logicalNot()],
  ["isnan", "a.isnan()", (t) => t.a.isnan()],
  ["floor", "a.floor()", (t) => t.a.floor()],
  ["add ints", "i + i", (t) => t.i.add(t.i)],
  ["floor division of ints", "i // 7", (t) => t.i.floorDivide(7)],
  ["remainder of ints", "i % 7", (t) => t.i.remainder(7)],
  ["ints to float", "i.float()", (t) => t.i.to("float32")],
  ["argmax of rows of 10", "u.argmax(1)", (t) => t.u.argmax(1)],
  ["argsort of ints", "i.argsort()", (t) => t.i.argsort()],
  ["sort of ints", "i.sort()", (t) => t.i.sort().values],
  ["unique of ints", "i.unique()", (t) => t.i.unique()],
  [
    "unique of ints, inverse",
    "i.unique(return_inverse=True)",
    (t) => t.i.unique({ returnInverse: true })[0] as Tensor,
  ],
  ["unique of floats", "a.unique()", (t) => t.a.unique()],
  ["bincount", "i.bincount()", (t) => t.i.bincount()],
  ["nonzero", "mask.nonzero()", (t) => t.mask.nonzero()],
  ["searchsorted", "torch.searchsorted(t[:16], a)", (t) => k.searchsorted(t.t.narrow(0, 0, 16), t.a)],
  ["isin", "torch.isin(i, i[:16])", (t) => k.isin(t.i, t.i.narrow(0, 0, 16))],
  [
    "oneHot",
    "F.one_hot(i, 1000) if n < 10000 else i",
    (t) => (t.i.numel < 10_000 ? F.oneHot(t.i, 1000) : t.i),
  ],
  [
    "multinomial",
    "p[:10000].multinomial(10)",
    (t) => k.multinomial(t.p.narrow(0, 0, Math.min(t.p.numel, 10_000)), 10),
  ],
  ["rand", "torch.rand(n)", (t) => k.rand([t.a.numel])],
  ["randn", "torch.randn(n)", (t) => k.randn([t.a.numel])],
  ["randperm", "torch.randperm(n)", (t) => k.randperm(t.a.numel)],
  ["bernoulli", "torch.bernoulli(q)", (t) => k.bernoulli(t.q)],
];

export const sizes: Workload[] = (Object.keys(SIZES) as (keyof typeof SIZES)[]).flatMap((n) => [
  ...DIFFERENTIABLE.flatMap(([name, python, call]) => [
    workload(name, python, call, n, false),
    workload(name, python, call, n, true),
  ]),
  ...OTHERS.map(([name, python, call]) => workload(name, python, call, n, false)),
]);

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main(sizes);
