/**
 * What a call costs on 16 elements, with and without recording, beside PyTorch: nearly all of it is not the kernel.
 * Bounds: 1 us a call, 2 us recorded.
 */
import { pathToFileURL } from "node:url";
import * as k from "kindling";
import { noGrad, type Tensor } from "kindling";
import { functional as F } from "kindling/nn";
import { main, type Workload } from "./harness.js";

/** Inputs of 16 elements, or of 4 x 4; those after `mask` are never recorded. */
const NAMES = ["a", "b", "p", "m", "n", "mask", "i", "j"] as const;
type Inputs = Record<(typeof NAMES)[number], Tensor>;

const PYTHON = `
def leaf(t): return t.requires_grad_(GRAD)
a, b, p = leaf(torch.randn(16)), leaf(torch.randn(16)), leaf(torch.randn(16).abs() + 0.1)
m, n = leaf(torch.randn(4, 4)), leaf(torch.randn(4, 4))
mask, i, j = torch.randn(16) > 0, torch.tensor([0, 3, 1]), torch.randint(0, 4, (4, 4))
`;

/** Calls through a loop of 16, so that the clock is not what is timed. */
const CALLS = 16;

function inputs(requiresGrad: boolean): Inputs {
  k.manualSeed(0);
  const leaf = (t: Tensor) => t.requiresGrad_(requiresGrad);
  return {
    a: leaf(k.randn([16])),
    b: leaf(k.randn([16])),
    p: leaf(k.randn([16]).abs().add(0.1)),
    m: leaf(k.randn([4, 4])),
    n: leaf(k.randn([4, 4])),
    mask: k.randn([16]).gt(0),
    i: k.tensor([0, 3, 1], { dtype: "int64" }),
    j: k.randint(0, 4, [4, 4]),
  };
}

type Call = (t: Inputs) => unknown;

function workload(name: string, python: string, run: Call, recorded: boolean): Workload {
  return {
    name: recorded ? `${name}, recorded` : name,
    kindling: () => {
      const t = inputs(recorded);
      const calls = () => {
        for (let c = 0; c < CALLS; c++) run(t);
      };
      return recorded ? calls : () => noGrad(calls);
    },
    pytorch: `
GRAD = ${recorded ? "True" : "False"}${PYTHON}
def step():
    for _ in range(${CALLS}): ${python}
`,
  };
}

/** [name, Python, call]: ops with a gradient, timed with and without recording. */
const DIFFERENTIABLE: readonly (readonly [string, string, Call])[] = [
  ["add", "a + b", (t) => t.a.add(t.b)],
  ["add a number", "a + 2", (t) => t.a.add(2)],
  ["sub", "a - b", (t) => t.a.sub(t.b)],
  ["rsub", "1 - a", (t) => t.a.rsub(1)],
  ["mul", "a * b", (t) => t.a.mul(t.b)],
  ["div", "a / b", (t) => t.a.div(t.b)],
  ["neg", "-a", (t) => t.a.neg()],
  ["addcmul", "torch.addcmul(a, b, p)", (t) => t.a.addcmul(t.b, t.p)],
  ["lerp", "torch.lerp(a, b, 0.5)", (t) => t.a.lerp(t.b, 0.5)],
  ["add a row", "m + n[0]", (t) => t.m.add(t.n.at(0))],
  ["pow 2", "a ** 2", (t) => t.a.pow(2)],
  ["pow 2.5", "p ** 2.5", (t) => t.p.pow(2.5)],
  ["square", "a.square()", (t) => t.a.square()],
  ["sqrt", "p.sqrt()", (t) => t.p.sqrt()],
  ["rsqrt", "p.rsqrt()", (t) => t.p.rsqrt()],
  ["exp", "a.exp()", (t) => t.a.exp()],
  ["log", "p.log()", (t) => t.p.log()],
  ["log1p", "p.log1p()", (t) => t.p.log1p()],
  ["sin", "a.sin()", (t) => t.a.sin()],
  ["cos", "a.cos()", (t) => t.a.cos()],
  ["tanh", "a.tanh()", (t) => t.a.tanh()],
  ["sigmoid", "a.sigmoid()", (t) => t.a.sigmoid()],
  ["erf", "a.erf()", (t) => t.a.erf()],
  ["abs", "a.abs()", (t) => t.a.abs()],
  ["relu", "a.relu()", (t) => t.a.relu()],
  ["leakyRelu", "F.leaky_relu(a)", (t) => F.leakyRelu(t.a)],
  ["gelu", "F.gelu(a)", (t) => F.gelu(t.a)],
  ["silu", "F.silu(a)", (t) => F.silu(t.a)],
  ["elu", "F.elu(a)", (t) => F.elu(t.a)],
  ["softplus", "F.softplus(a)", (t) => F.softplus(t.a)],
  ["hardtanh", "F.hardtanh(a)", (t) => F.hardtanh(t.a)],
  ["clamp", "a.clamp(-1, 1)", (t) => t.a.clamp({ min: -1, max: 1 })],
  ["maximum", "torch.maximum(a, b)", (t) => t.a.maximum(t.b)],
  ["where", "torch.where(mask, a, b)", (t) => k.where(t.mask, t.a, t.b)],
  ["maskedFill", "a.masked_fill(mask, 0)", (t) => t.a.maskedFill(t.mask, 0)],
  ["dropout", "F.dropout(a, 0.5)", (t) => F.dropout(t.a, 0.5)],
  ["clone", "a.clone()", (t) => t.a.clone()],
  ["to float64", "a.double()", (t) => t.a.to("float64")],
  ["sum", "a.sum()", (t) => t.a.sum()],
  ["sum of rows", "m.sum(1)", (t) => t.m.sum(1)],
  ["mean", "a.mean()", (t) => t.a.mean()],
  ["mean of rows", "m.mean(1)", (t) => t.m.mean(1)],
  ["var", "a.var()", (t) => t.a.var()],
  ["std of rows", "m.std(1)", (t) => t.m.std(1)],
  ["prod", "a.prod()", (t) => t.a.prod()],
  ["norm", "a.norm()", (t) => t.a.norm()],
  ["max", "a.max()", (t) => t.a.max()],
  ["max of rows", "m.max(1)", (t) => t.m.max(1)],
  ["amax", "m.amax(1)", (t) => t.m.amax(1)],
  ["logsumexp", "m.logsumexp(1)", (t) => t.m.logsumexp(1)],
  ["softmax", "m.softmax(1)", (t) => t.m.softmax(1)],
  ["logSoftmax", "m.log_softmax(1)", (t) => t.m.logSoftmax(1)],
  ["cumsum", "m.cumsum(1)", (t) => t.m.cumsum(1)],
  ["cumprod", "m.cumprod(1)", (t) => t.m.cumprod(1)],
  ["sort", "a.sort()", (t) => t.a.sort()],
  ["topk 3", "a.topk(3)", (t) => t.a.topk(3)],
  ["median", "a.median()", (t) => t.a.median()],
  ["kthvalue", "a.kthvalue(3)", (t) => t.a.kthvalue(3)],
  ["quantile", "a.quantile(0.3)", (t) => t.a.quantile(0.3)],
  ["matmul", "m @ n", (t) => t.m.matmul(t.n)],
  ["mv", "m @ n[0]", (t) => t.m.matmul(t.n.at(0))],
  ["dot", "a.dot(b)", (t) => t.a.dot(t.b)],
  ["outer", "a.outer(b)", (t) => t.a.outer(t.b)],
  ["linear", "F.linear(m, n, n[0])", (t) => F.linear(t.m, t.n, t.n.at(0))],
  ["einsum", "torch.einsum('ij,jk->ik', m, n)", (t) => k.einsum("ij,jk->ik", [t.m, t.n])],
  ["t", "m.t()", (t) => t.m.t()],
  ["transpose", "m.transpose(0, 1)", (t) => t.m.transpose(0, 1)],
  ["permute", "m.permute(1, 0)", (t) => t.m.permute([1, 0])],
  ["transpose, contiguous", "m.t().contiguous()", (t) => t.m.t().contiguous()],
  ["reshape", "a.reshape(4, 4)", (t) => t.a.reshape([4, 4])],
  ["view", "a.view(4, -1)", (t) => t.a.view([4, -1])],
  ["flatten", "m.flatten()", (t) => t.m.flatten()],
  ["unsqueeze", "a.unsqueeze(0)", (t) => t.a.unsqueeze(0)],
  ["squeeze", "m.squeeze()", (t) => t.m.squeeze()],
  ["expand", "n[0].expand(4, 4)", (t) => t.n.at(0).expand([4, 4])],
  ["select", "m.select(0, 1)", (t) => t.m.select(0, 1)],
  ["narrow", "a.narrow(0, 2, 4)", (t) => t.a.narrow(0, 2, 4)],
  ["at a number", "m[1]", (t) => t.m.at(1)],
  ["at a slice", "a[2:8]", (t) => t.a.at("2:8")],
  ["at a list", "m[i]", (t) => t.m.at(t.i)],
  ["at a mask", "a[mask]", (t) => t.a.at(t.mask)],
  ["indexSelect", "m.index_select(0, i)", (t) => t.m.indexSelect(0, t.i)],
  ["gather", "m.gather(1, j)", (t) => t.m.gather(1, t.j)],
  ["scatterAdd", "m.scatter_add(1, j, n)", (t) => t.m.scatterAdd(1, t.j, t.n)],
  ["embedding", "F.embedding(i, m)", (t) => F.embedding(t.i, t.m)],
  ["cat", "torch.cat([a, b])", (t) => k.cat([t.a, t.b])],
  ["stack", "torch.stack([a, b])", (t) => k.stack([t.a, t.b])],
  ["split", "a.split(4)", (t) => t.a.split(4)],
  ["chunk", "m.chunk(2, 1)", (t) => t.m.chunk(2, 1)],
  ["unbind", "m.unbind()", (t) => t.m.unbind()],
  ["repeat", "a.repeat(2)", (t) => t.a.repeat([2])],
  ["flip", "m.flip(1)", (t) => t.m.flip(1)],
  ["roll", "m.roll(1, 1)", (t) => t.m.roll(1, 1)],
  ["tril", "m.tril()", (t) => t.m.tril()],
  ["diagonal", "m.diagonal()", (t) => t.m.diagonal()],
  ["pad", "F.pad(m, (1, 1))", (t) => F.pad(t.m, [1, 1])],
  ["cdist", "torch.cdist(m, n)", (t) => k.cdist(t.m, t.n)],
  [
    "layerNorm",
    "F.layer_norm(m, (4,), n[0], n[1])",
    (t) => F.layerNorm(t.m, [4], { weight: t.n.at(0), bias: t.n.at(1) }),
  ],
  ["mseLoss", "F.mse_loss(a, b)", (t) => F.mseLoss(t.a, t.b)],
  ["l1Loss", "F.l1_loss(a, b)", (t) => F.l1Loss(t.a, t.b)],
  ["crossEntropy", "F.cross_entropy(m, j[0])", (t) => F.crossEntropy(t.m, t.j.at(0))],
  [
    "bce with logits",
    "F.binary_cross_entropy_with_logits(a, p.detach())",
    (t) => F.binaryCrossEntropyWithLogits(t.a, t.p.detach()),
  ],
  [
    "mul, sum, backward",
    "(a * b).sum().backward() if GRAD else a",
    (t) => (t.a.requiresGrad ? t.a.mul(t.b).sum().backward() : t.a),
  ],
];

/** Ops without a gradient. */
const OTHERS: readonly (readonly [string, string, Call])[] = [
  ["gt", "a > b", (t) => t.a.gt(t.b)],
  ["eq a number", "a == 0", (t) => t.a.eq(0)],
  ["logicalAnd", "mask & mask", (t) => t.mask.logicalAnd(t.mask)],
  ["logicalNot", "~mask", (t) => t.mask.logicalNot()],
  ["any", "mask.any()", (t) => t.mask.any()],
  ["all of rows", "j.bool().all(1)", (t) => t.j.to("bool").all(1)],
  ["isnan", "a.isnan()", (t) => t.a.isnan()],
  ["argmax", "m.argmax(1)", (t) => t.m.argmax(1)],
  ["nonzero", "mask.nonzero()", (t) => t.mask.nonzero()],
  ["unique", "j.unique()", (t) => t.j.unique()],
  ["bincount", "i.bincount()", (t) => t.i.bincount()],
  ["oneHot", "F.one_hot(i, 4)", (t) => F.oneHot(t.i, 4)],
  ["item", "n[0, 0].item()", (t) => t.n.at(0, 0).item()],
  ["item of a sum", "a.sum().item()", (t) => t.a.sum().item()],
  ["zeros", "torch.zeros(16)", () => k.zeros([16])],
  ["onesLike", "torch.ones_like(a)", (t) => k.onesLike(t.a)],
  ["arange", "torch.arange(16)", () => k.arange(16)],
  ["randn", "torch.randn(16)", () => k.randn([16])],
  ["tensor", "torch.tensor([1.0, 2.0, 3.0])", () => k.tensor([1, 2, 3.5])],
  ["detach", "a.detach()", (t) => t.a.detach()],
  ["add_", "a.add_(1)", (t) => t.a.add_(1)],
  ["mul_", "a.mul_(1)", (t) => t.a.mul_(1)],
  ["copy_", "a.copy_(b)", (t) => t.a.copy_(t.b)],
  ["zero_", "b.zero_()", (t) => t.b.zero_()],
];

export const small: Workload[] = [
  ...DIFFERENTIABLE.flatMap(([name, python, run]) => [
    workload(name, python, run, false),
    workload(name, python, run, true),
  ]),
  ...OTHERS.map(([name, python, run]) => workload(name, python, run, false)),
];

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main(small);
