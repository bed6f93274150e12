/** Everyday ops on tensors of some size, beside PyTorch: where one is slow, this table shows it. */
import { pathToFileURL } from "node:url";
import {
  arange,
  cat,
  cdist,
  einsum,
  eye,
  linalg,
  linspace,
  manualSeed,
  noGrad,
  randint,
  randn,
  scope,
  type Tensor,
  varMean,
  where,
} from "kindling";
import { functional } from "kindling/nn";
import { main, type Workload } from "./harness.js";

type Inputs = Readonly<Record<string, Tensor>>;

/** One op: what it is called with, in both languages. */
function op(name: string, python: string, run: (t: Inputs) => unknown): Workload {
  return {
    name,
    kindling: () => {
      manualSeed(0);
      const t: Inputs = {
        m: randn([1000, 1000]),
        n: randn([1000, 1000]),
        v: randn([1_000_000]),
        p: randn([1000, 1000]).abs().add(0.1),
        s: randn([64, 64]),
        b: randn([32, 64, 64]),
        i: randint(0, 1000, [1000, 1000]),
        r: randint(0, 1000, [1000]),
        mask: randn([1000, 1000]).gt(0),
        k: randn([1000]),
        u: randn([100_000, 10]),
        labels: randint(0, 10, [100_000]),
        c: randn([128, 128]),
      };
      return () => scope(() => void noGrad(() => run(t)));
    },
    pytorch: `
m, n, v = torch.randn(1000, 1000), torch.randn(1000, 1000), torch.randn(1000000)
p, s, b = torch.randn(1000, 1000).abs() + 0.1, torch.randn(64, 64), torch.randn(32, 64, 64)
i, r, mask, k = torch.randint(0, 1000, (1000, 1000)), torch.randint(0, 1000, (1000,)), torch.randn(1000, 1000) > 0, torch.randn(1000)
u, labels, c = torch.randn(100000, 10), torch.randint(0, 10, (100000,)), torch.randn(128, 128)
def step():
    with torch.no_grad(): ${python}
`,
  };
}

export const everyday: Workload[] = [
  op("add 1000x1000", "m + n", (t) => t.m?.add(t.n as Tensor)),
  op("add a row", "m + k", (t) => t.m?.add(t.k as Tensor)),
  op("add a column", "m + k[:, None]", (t) => t.m?.add((t.k as Tensor).unsqueeze(1))),
  op("mul transposed", "m * n.t()", (t) => t.m?.mul((t.n as Tensor).t())),
  op("div", "m / p", (t) => t.m?.div(t.p as Tensor)),
  op("pow 2.5", "p ** 2.5", (t) => t.p?.pow(2.5)),
  op("sqrt", "p.sqrt()", (t) => t.p?.sqrt()),
  op("exp", "m.exp()", (t) => t.m?.exp()),
  op("log", "p.log()", (t) => t.p?.log()),
  op("sin", "m.sin()", (t) => t.m?.sin()),
  op("tanh", "m.tanh()", (t) => t.m?.tanh()),
  op("sigmoid", "m.sigmoid()", (t) => t.m?.sigmoid()),
  op("erf", "m.erf()", (t) => t.m?.erf()),
  op("relu", "m.relu()", (t) => t.m?.relu()),
  op("clamp", "m.clamp(-1, 1)", (t) => t.m?.clamp({ min: -1, max: 1 })),
  op("where", "torch.where(mask, m, n)", (t) => where(t.mask as Tensor, t.m as Tensor, t.n as Tensor)),
  op("greater", "m > n", (t) => t.m?.gt(t.n as Tensor)),
  op("to float64", "m.double()", (t) => t.m?.to("float64")),
  op("to int64", "m.long()", (t) => t.m?.to("int64")),
  op("sum", "m.sum()", (t) => t.m?.sum()),
  op("sum of rows", "m.sum(1)", (t) => t.m?.sum(1)),
  op("sum of columns", "m.sum(0)", (t) => t.m?.sum(0)),
  op("mean and var of rows", "torch.var_mean(m, 1)", (t) => varMean(t.m as Tensor, 1)),
  op("max of rows", "m.max(1)", (t) => t.m?.max(1)),
  op("max of columns", "m.max(0)", (t) => t.m?.max(0)),
  op("argmax", "m.argmax()", (t) => t.m?.argmax()),
  op("norm", "m.norm()", (t) => t.m?.norm()),
  op("prod of rows", "p.prod(1)", (t) => t.p?.prod(1)),
  op("logsumexp", "m.logsumexp(1)", (t) => t.m?.logsumexp(1)),
  op("softmax", "m.softmax(1)", (t) => t.m?.softmax(1)),
  op("softmax of columns", "m.softmax(0)", (t) => t.m?.softmax(0)),
  op("cumsum of rows", "m.cumsum(1)", (t) => t.m?.cumsum(1)),
  op("cumsum of columns", "m.cumsum(0)", (t) => t.m?.cumsum(0)),
  op("sort rows", "m.sort(1)", (t) => t.m?.sort(1)),
  op("sort 1M", "v.sort()", (t) => t.v?.sort()),
  op("argsort ints", "i.argsort(1)", (t) => t.i?.argsort(1)),
  op("topk 5", "m.topk(5)", (t) => t.m?.topk(5)),
  op("median of rows", "m.median(1)", (t) => t.m?.median(1)),
  op("unique ints", "i.unique()", (t) => t.i?.unique()),
  op("bincount", "r.bincount()", (t) => t.r?.bincount()),
  op("transpose, contiguous", "m.t().contiguous()", (t) => t.m?.t().contiguous()),
  op("permute, contiguous", "b.permute(2, 0, 1).contiguous()", (t) => t.b?.permute([2, 0, 1]).contiguous()),
  op("cat", "torch.cat([m, n], 1)", (t) => cat([t.m as Tensor, t.n as Tensor], 1)),
  op("index rows", "m[r]", (t) => t.m?.at(t.r as Tensor)),
  op("indexSelect columns", "m.index_select(1, r)", (t) => t.m?.indexSelect(1, t.r as Tensor)),
  op("gather", "m.gather(1, i)", (t) => t.m?.gather(1, t.i as Tensor)),
  op("scatterAdd", "m.scatter_add(1, i, n)", (t) => t.m?.scatterAdd(1, t.i as Tensor, t.n as Tensor)),
  op("maskedSelect", "m.masked_select(mask)", (t) => t.m?.maskedSelect(t.mask as Tensor)),
  op("maskedFill", "m.masked_fill(mask, 0)", (t) => t.m?.maskedFill(t.mask as Tensor, 0)),
  op("nonzero", "mask.nonzero()", (t) => t.mask?.nonzero()),
  op("flip", "m.flip(1)", (t) => t.m?.flip(1)),
  op("roll", "m.roll(3, 1)", (t) => t.m?.roll(3, 1)),
  op("tril", "m.tril()", (t) => t.m?.tril()),
  op("repeat", "s.repeat(10, 10)", (t) => t.s?.repeat([10, 10])),
  op("arange", "torch.arange(1000000)", () => arange(1_000_000)),
  op("randn 1M", "torch.randn(1000000)", () => randn([1_000_000])),
  op("expm1", "m.expm1()", (t) => t.m?.expm1()),
  op("sinh", "m.sinh()", (t) => t.m?.sinh()),
  op("to bool", "m.bool()", (t) => t.m?.to("bool")),
  op("any", "(~mask & mask).any()", (t) =>
    t.mask
      ?.logicalNot()
      .logicalAnd(t.mask as Tensor)
      .any(),
  ),
  op("all of columns", "mask.all(0)", (t) => t.mask?.all(0)),
  op("sum of mask", "mask.sum()", (t) => t.mask?.sum()),
  op("countNonzero", "m.count_nonzero()", (t) => t.m?.countNonzero()),
  op("std of columns", "m.std(0)", (t) => t.m?.std(0)),
  op("var of rows of 10", "u.var(1)", (t) => t.u?.var(1)),
  op("softmax of rows of 10", "u.softmax(1)", (t) => t.u?.softmax(1)),
  op("logsumexp of rows of 10", "u.logsumexp(1)", (t) => t.u?.logsumexp(1)),
  op("topk 3 of rows of 10", "u.topk(3)", (t) => t.u?.topk(3)),
  op("oneHot 100,000", "F.one_hot(labels, 10)", (t) => functional.oneHot(t.labels as Tensor, 10)),
  op("bincount 100,000", "labels.bincount()", (t) => t.labels?.bincount()),
  op("histc", "m.histc(100)", (t) => t.m?.histc(100)),
  op("linspace", "torch.linspace(0, 1, 1000000)", () => linspace(0, 1, 1_000_000)),
  op("eye", "torch.eye(1000)", () => eye(1000)),
  op("bmm", "b @ b", (t) => t.b?.matmul(t.b)),
  op("matmul vector", "m @ k", (t) => t.m?.matmul(t.k as Tensor)),
  op("einsum", "torch.einsum('bij,bkj->bik', b, b)", (t) =>
    einsum("bij,bkj->bik", [t.b as Tensor, t.b as Tensor]),
  ),
  op("outer", "torch.outer(k, k)", (t) => t.k?.outer(t.k as Tensor)),
  op("inv 64", "torch.linalg.inv(s)", (t) => linalg.inv(t.s as Tensor)),
  op("svd 64", "torch.linalg.svd(s)", (t) => linalg.svd(t.s as Tensor)),
  op("qr 64", "torch.linalg.qr(s)", (t) => linalg.qr(t.s as Tensor)),
  op("eigh 64", "torch.linalg.eigh(s)", (t) => linalg.eigh(t.s as Tensor)),
  op("solve 64", "torch.linalg.solve(s, s)", (t) => linalg.solve(t.s as Tensor, t.s as Tensor)),
  op("inv 128", "torch.linalg.inv(c)", (t) => linalg.inv(t.c as Tensor)),
  op("det 128", "torch.linalg.det(c)", (t) => linalg.det(t.c as Tensor)),
  op("solve 128", "torch.linalg.solve(c, c)", (t) => linalg.solve(t.c as Tensor, t.c as Tensor)),
  op("qr 128", "torch.linalg.qr(c)", (t) => linalg.qr(t.c as Tensor)),
  op("eigh 128", "torch.linalg.eigh(c)", (t) => linalg.eigh(t.c as Tensor)),
  op("svd 128", "torch.linalg.svd(c)", (t) => linalg.svd(t.c as Tensor)),
  op("lstsq 128", "torch.linalg.lstsq(c, c)", (t) => linalg.lstsq(t.c as Tensor, t.c as Tensor)),
  op("matrixExp 128", "torch.matrix_exp(c * 0.01)", (t) => linalg.matrixExp((t.c as Tensor).mul(0.01))),
  op("cdist", "torch.cdist(s, s)", (t) => cdist(t.s as Tensor, t.s as Tensor)),
];

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main(everyday);
