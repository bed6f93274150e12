/** How PyTorch code translates: each rule with a line of both; the tests run Kindling's. */

/** One rule. */
export interface Rule {
  readonly rule: string;
  readonly python: string;
  readonly kindling: string;
}

/** What the lines of the rules may use. */
export const PRELUDE = `
const { Adam, SGD, lrScheduler } = optim;
const x = randn([3, 4], { requiresGrad: true }).mul(1);
const a = randn([4, 4]);
const b = randn([4, 4]);
const mask = x.gt(0);
const index = tensor([0, 2]);
const [i, j] = [0, 2];
const logits = randn([2, 3], { requiresGrad: true });
const labels = tensor([0, 2]);
const model = new nn.Sequential(new nn.Linear(4, 8), new nn.BatchNorm1d(8), new nn.Linear(8, 1));
const optimizer = new SGD(model.parameters(), { lr: 0.1 });
const loss = model(randn([5, 4])).sum();
const dataset = new TensorDataset(randn([10, 4]), arange(10));
`;

export const RULES: readonly Rule[] = [
  {
    rule: "functions, methods and options are PyTorch's names in camelCase",
    python: "torch.log_softmax(x, dim=1)",
    kindling: "logSoftmax(x, { dim: 1 })",
  },
  {
    rule: "classes keep their names, and need `new`",
    python: "nn.BatchNorm1d(8)",
    kindling: "new nn.BatchNorm1d(8)",
  },
  {
    rule: "required arguments stand in PyTorch's order, optional ones in one object at the end",
    python: "nn.Conv2d(16, 32, 3, padding=1, bias=False)",
    kindling: "new nn.Conv2d(16, 32, 3, { padding: 1, bias: false })",
  },
  {
    rule: "where everyone writes an optional argument by position, both work",
    python: "x.sum(1, keepdim=True)",
    kindling: "x.sum(1, { keepdim: true })",
  },
  {
    rule: "sizes, dims and lists of tensors are one array",
    python: "torch.zeros(2, 3), x.reshape(4, -1), torch.cat((a, b), 1)",
    kindling: "[zeros([2, 3]), x.reshape([4, -1]), cat([a, b], 1)]",
  },
  { rule: "a trailing underscore changes the tensor itself", python: "a.add_(1)", kindling: "a.add_(1)" },
  {
    rule: "operators are methods",
    python: "a @ b + 2 * a - b / 3",
    kindling: "a.matmul(b).add(a.mul(2)).sub(b.div(3))",
  },
  {
    rule: "comparisons are methods; `===` asks whether it is the same object",
    python: "(a > 0) & (b <= 1)",
    kindling: "a.gt(0).logicalAnd(b.le(1))",
  },
  { rule: "reading: numbers and ranges", python: "x[0, 1:3]", kindling: 'x.at(0, "1:3")' },
  {
    rule: "reading: ranges with bounds that are computed",
    python: "x[i:j], x[:, i:]",
    kindling: '[x.at(i + ":" + j), x.at(":", i + ":")]',
  },
  { rule: "reading: all dimensions, a new one", python: "x[..., None]", kindling: 'x.at("...", null)' },
  { rule: "reading: masks and indices", python: "x[mask], x[index]", kindling: "[x.at(mask), x.at(index)]" },
  { rule: "writing", python: "a[0] = 1; a[:, 1] = 2", kindling: 'a.setAt_([0], 1); a.setAt_([":", 1], 2)' },
  {
    rule: "dtypes are strings; whole numbers make int64, as in Python",
    python: "torch.tensor([1., 2.], dtype=torch.float64)",
    kindling: 'tensor([1, 2], { dtype: "float64" })',
  },
  { rule: "conversions", python: "x.to(torch.float64), x.long()", kindling: '[x.to("float64"), x.long()]' },
  {
    rule: "several results are an object with PyTorch's field names, or an array",
    python: "values, indices = x.max(1)",
    kindling: "const { values, indices } = x.max(1)",
  },
  {
    rule: "`None` is null, or the option left out",
    python: "F.linear(a, b, None)",
    kindling: "nn.functional.linear(a, b)",
  },
  { rule: "printing", python: "print(a)", kindling: "console.log(a)" },
  { rule: "values out", python: "x.tolist(), loss.item()", kindling: "[x.toArray(), loss.item()]" },
  { rule: "lengths", python: "len(x), x.numel(), x.size(0)", kindling: "[x.shape[0], x.numel, x.size(0)]" },
  {
    rule: "a context is a function that takes one, or a `using` block",
    python: "with torch.no_grad(): y = model(a)",
    kindling: "const y = noGrad(() => model(a))",
  },
  {
    rule: "freezing",
    python: "for p in model.parameters(): p.requires_grad = False",
    kindling: "for (const p of model.parameters()) p.requiresGrad = false",
  },
  { rule: "seeds", python: "torch.manual_seed(0)", kindling: "manualSeed(0)" },
  {
    rule: "modules are called; fields hold parameters, buffers and modules",
    python: "y = model(a)",
    kindling: "const y = model(a)",
  },
  {
    rule: "state dicts have PyTorch's keys",
    python: "model.load_state_dict(model.state_dict())",
    kindling: "model.loadStateDict(model.stateDict())",
  },
  {
    rule: "a training step",
    python: "optimizer.zero_grad(); loss.backward(); optimizer.step()",
    kindling: "optimizer.zeroGrad(); loss.backward(); optimizer.step()",
  },
  {
    rule: "losses",
    python: "F.cross_entropy(logits, labels, label_smoothing=0.1)",
    kindling: "nn.functional.crossEntropy(logits, labels, { labelSmoothing: 0.1 })",
  },
  {
    rule: "schedulers are in `optim.lrScheduler`",
    python: "StepLR(optimizer, 30, gamma=0.1)",
    kindling: "new lrScheduler.StepLR(optimizer, 30, { gamma: 0.1 })",
  },
  {
    rule: "learning rates",
    python: "for g in optimizer.param_groups: g['lr'] = 0.01",
    kindling: "for (const g of optimizer.paramGroups) g.lr = 0.01",
  },
  {
    rule: "loaders",
    python: "for x, y in DataLoader(dataset, batch_size=4, shuffle=True): ...",
    kindling:
      "for (const [x, y] of new DataLoader(dataset, { batchSize: 4, shuffle: true })) x.add(y.unsqueeze(1))",
  },
  {
    rule: "one device, the CPU: `to` takes it, and can be left out",
    python: "model.to(device)",
    kindling: 'model.to("cpu")',
  },
];
