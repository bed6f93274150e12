/** L-BFGS with an optional line search. */
import { enableGrad, noGrad } from "../autograd/mode.js";
import { toField, toKey } from "../nn/naming.js";
import { cat } from "../ops/join.js";
import { itemOf } from "../ops/read.js";
import { zeros } from "../tensor/create.js";
import { FLOAT32 } from "../tensor/dtype.js";
import { show, ValueError } from "../tensor/errors.js";
import { KEPT } from "../tensor/heap.js";
import { castTo, copyOf } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { checkRange, type OptionsInput, type ParamsInput, type RateOptions } from "./groups.js";
import { Optimizer, type ParamState, type StateValue } from "./optimizer.js";
import { asNumber, type SavedState, type StateReader } from "./state.js";
import { type LinePoint, strongWolfe } from "./strongWolfe.js";

/** Options of {@link LBFGS}. */
export interface LBFGSOptions extends RateOptions {
  /** Learning rate: the step tried first (default 1). */
  lr: number;
  /** Iterations in a step (default 20). */
  maxIter: number;
  /** Evaluations of the closure in a step (default: 5/4 of `maxIter`). */
  maxEval: number | null;
  /** Ends the step when no gradient is larger (default 1e-7). */
  toleranceGrad: number;
  /** Ends the step when loss or parameters change less (default 1e-9). */
  toleranceChange: number;
  /** Pairs of steps and gradient changes kept (default 100). */
  historySize: number;
  /** The line search, or null for a fixed step (default). */
  lineSearchFn: "strong_wolfe" | null;
}

/** State of all parameters together, kept with the first of them. */
export interface LBFGSState {
  [key: string]: StateValue;
  /** Evaluations of the closure so far. */
  funcEvals: number;
  /** Iterations so far. */
  nIter: number;
  /** Direction of the last step. */
  d: Tensor | null;
  /** Its length. */
  t: number | null;
  /** Changes of the gradient. */
  oldDirs: Tensor[];
  /** Steps. */
  oldStps: Tensor[];
  /** Inverses of the products of both. */
  ro: number[];
  /** Scale of the first approximation of the inverse Hessian. */
  hDiag: number | null;
  /** The gradient before the last step. */
  prevFlatGrad: Tensor | null;
  /** The loss before the last step. */
  prevLoss: number | null;
}

const DEFAULTS: LBFGSOptions = {
  lr: 1,
  maxIter: 20,
  maxEval: null,
  toleranceGrad: 1e-7,
  toleranceChange: 1e-9,
  historySize: 100,
  lineSearchFn: null,
};

const keyOf = (field: string): string => (field === "hDiag" ? "H_diag" : toKey(field));
const fieldOf = (key: string): string => (key === "H_diag" ? "hDiag" : toField(key));

const largest = (x: Tensor): number => itemOf(x.abs().max());
const dot = (a: Tensor, b: Tensor): number => itemOf(a.dot(b));

/** The product of the approximate inverse Hessian with -g, by two loops over the history. */
function direction(g: Tensor, s: LBFGSState, round: (x: number) => number): Tensor {
  const n = s.oldDirs.length;
  const al = new Array<number>(n);
  const q = g.neg();
  for (let i = n - 1; i >= 0; i--) {
    const a = round(dot(s.oldStps[i] as Tensor, q) * (s.ro[i] as number));
    al[i] = a;
    q.add_(s.oldDirs[i] as Tensor, { alpha: -a });
  }
  const r = q.mul(s.hDiag as number);
  for (let i = 0; i < n; i++) {
    const b = round(dot(s.oldDirs[i] as Tensor, r) * (s.ro[i] as number));
    r.add_(s.oldStps[i] as Tensor, { alpha: round((al[i] as number) - b) });
  }
  return r;
}

/**
 * L-BFGS, a quasi-Newton method: the step is -H g, where the inverse Hessian H is built from the last `historySize`
 * steps and changes of the gradient. `step` needs a closure that clears the gradients, computes the loss, calls
 * backward and returns the loss; it is called several times. One group only.
 * Source: Nocedal and Wright, algorithm 7.4; `torch.optim.LBFGS`.
 * @example
 * const w = tensor([3, -1], { dtype: "float64", requiresGrad: true });
 * const optimizer = new optim.LBFGS([w], { lineSearchFn: "strong_wolfe" });
 * optimizer.step(() => {
 *   optimizer.zeroGrad();
 *   const loss = w.sub(1).square().sum();
 *   loss.backward();
 *   return loss;
 * });
 * w.round({ decimals: 6 }).toArray(); // [1, 1]
 * @throws ValueError for options out of range, several groups, or a step without a closure.
 */
export class LBFGS extends Optimizer<LBFGSOptions, LBFGSState> {
  constructor(params: ParamsInput<LBFGSOptions>, options?: OptionsInput<LBFGSOptions> | number) {
    super(params, DEFAULTS, options);
    if (this.paramGroups.length !== 1) {
      throw new ValueError(
        `[LBFGS] got ${this.paramGroups.length} groups, expected one: its state is common to all parameters`,
      );
    }
    const group = this.group;
    group.maxEval ??= Math.floor((group.maxIter * 5) / 4);
  }

  protected override checkOptions(o: LBFGSOptions): void {
    checkRange("LBFGS", "lr", o.lr, 0);
    checkRange("LBFGS", "maxIter", o.maxIter, 1);
    if (o.maxEval !== null) checkRange("LBFGS", "maxEval", o.maxEval, 1);
    checkRange("LBFGS", "toleranceGrad", o.toleranceGrad, 0);
    checkRange("LBFGS", "toleranceChange", o.toleranceChange, 0);
    checkRange("LBFGS", "historySize", o.historySize, 1);
    if (o.lineSearchFn !== null && o.lineSearchFn !== "strong_wolfe") {
      throw new ValueError(
        `[LBFGS] invalid lineSearchFn: got ${String(o.lineSearchFn)}, expected "strong_wolfe" or null`,
      );
    }
  }

  private get group(): LBFGSOptions & { params: Tensor[] } {
    return this.paramGroups[0] as LBFGSOptions & { params: Tensor[] };
  }

  protected init(): LBFGSState {
    const empty = { d: null, t: null, hDiag: null, prevFlatGrad: null, prevLoss: null };
    return { funcEvals: 0, nIter: 0, oldDirs: [], oldStps: [], ro: [], ...empty };
  }

  protected update(): void {
    throw new ValueError("[LBFGS] all parameters are updated together, by step(closure)");
  }

  private flatGrad(): Tensor {
    return cat(this.group.params.map((p) => (p.grad ?? zeros([p.numel], { dtype: p.dtype })).reshape([-1])));
  }

  /** Adds `t * d` to the parameters. */
  private move(t: number, d: Tensor): void {
    let offset = 0;
    for (const p of this.group.params) {
      p.add_(d.narrow(0, offset, p.numel).reshape([...p.shape]), { alpha: t });
      offset += p.numel;
    }
  }

  protected override perform<T>(closure: (() => T) | undefined): T | undefined {
    if (closure === undefined) {
      throw new ValueError(
        "[LBFGS] step needs a closure: it evaluates the loss several times; try step(() => { ...; return loss; })",
      );
    }
    return noGrad(() => this.iterate(() => enableGrad(closure)));
  }

  private iterate<T>(closure: () => T): T {
    const o = this.group;
    const { lr, maxIter, toleranceGrad, toleranceChange } = o;
    const maxEval = o.maxEval ?? Math.floor((maxIter * 5) / 4);
    const first = o.params[0] as Tensor;
    const round = first.code === FLOAT32 ? Math.fround : (x: number) => x;
    let s = this.state.get(first);
    if (s === undefined) {
      s = this.init();
      this.state.set(first, s);
    }
    const lossOf = (loss: unknown): number => (loss instanceof Tensor ? itemOf(loss) : Number(loss));

    const result = closure();
    let loss = lossOf(result);
    let evaluations = 1;
    s.funcEvals++;
    let g = this.flatGrad();
    if (largest(g) <= toleranceGrad) return result;

    for (let n = 1; n <= maxIter; n++) {
      s.nIter++;
      if (s.nIter === 1) {
        s.d = g.neg();
        s.hDiag = 1;
      } else {
        this.remember(g, s, o.historySize, round);
        s.d = direction(g, s, round);
      }
      const d = s.d;
      s.prevFlatGrad = g.clone();
      s.prevLoss = loss;
      // The first step is at most as long as the gradient is large.
      s.t = s.nIter === 1 ? round(Math.min(1, round(1 / itemOf(g.abs().sum()))) * lr) : lr;
      const slope = dot(g, d);
      if (slope > -toleranceChange) break;

      let evaluated = 0;
      if (o.lineSearchFn === null) {
        this.move(s.t, d);
        if (n !== maxIter) {
          loss = lossOf(closure());
          g = this.flatGrad();
          evaluated = 1;
        }
      } else {
        const from = o.params.map((p) => p.clone());
        const at = (t: number): LinePoint => {
          this.move(t, d);
          const f = lossOf(closure());
          const grad = this.flatGrad();
          o.params.forEach((p, i) => {
            p.copy_(from[i] as Tensor);
          });
          return { t, f, g: grad, slope: dot(grad, d) };
        };
        const found = strongWolfe(at, { t: 0, f: loss, g, slope }, s.t, largest(d), toleranceChange);
        loss = found.point.f;
        g = found.point.g;
        s.t = found.point.t;
        evaluated = found.evaluations;
        this.move(s.t, d);
      }
      evaluations += evaluated;
      s.funcEvals += evaluated;

      if (n === maxIter || evaluations >= maxEval || largest(g) <= toleranceGrad) break;
      if (largest(d) * Math.abs(s.t) <= toleranceChange) break;
      if (Math.abs(loss - s.prevLoss) < toleranceChange) break;
    }
    for (const t of [s.d, s.prevFlatGrad, ...s.oldDirs, ...s.oldStps])
      if (t !== null) t.storage.flags |= KEPT;
    return result;
  }

  /** Adds the last step and its change of the gradient to the history. */
  private remember(g: Tensor, s: LBFGSState, size: number, round: (x: number) => number): void {
    const y = g.sub(s.prevFlatGrad as Tensor);
    const step = (s.d as Tensor).mul(s.t as number);
    const ys = dot(y, step);
    if (!(ys > 1e-10)) return;
    if (s.oldDirs.length === size) for (const list of [s.oldDirs, s.oldStps, s.ro]) list.shift();
    s.oldDirs.push(y);
    s.oldStps.push(step);
    s.ro.push(round(1 / ys));
    s.hDiag = round(ys / dot(y, y));
  }

  /** @internal */
  protected override saveState(state: LBFGSState): SavedState {
    const saved: SavedState = {};
    for (const [field, value] of Object.entries(state)) {
      if (value !== null) saved[keyOf(field)] = Array.isArray(value) ? [...value] : value;
    }
    return saved;
  }

  /** @internal */
  protected override readState(
    _param: Tensor,
    o: LBFGSOptions,
    saved: SavedState,
    reader: StateReader<LBFGSOptions>,
  ): ParamState {
    const state: ParamState = this.init();
    const { params } = this.group;
    const numel = params.reduce((n, p) => n + p.numel, 0);
    const { code } = params[0] as Tensor;
    const vector = (key: string, value: StateValue): Tensor | null => {
      if (value instanceof Tensor && value.shape.length === 1 && value.numel === numel) {
        return value.code === code ? copyOf(value) : castTo(value, code);
      }
      const got = value instanceof Tensor ? `shape ${show(value.shape)}` : String(value);
      reader.problem(`state: ${key}: got ${got}, expected shape [${numel}]`);
      return null;
    };
    const number = (key: string, value: StateValue): number | null => {
      const read = asNumber(value);
      if (read === null) reader.problem(`state: ${key}: got ${String(value)}, expected a number`);
      return read;
    };
    for (const [key, value] of Object.entries(saved)) {
      const field = fieldOf(key);
      if (field === "al" || value === null) continue; // a workspace of PyTorch's
      if (!Object.hasOwn(state, field)) reader.problem(`state: unexpected ${key}`);
      else if (field === "d" || field === "prevFlatGrad") state[field] = vector(key, value);
      else if (!Array.isArray(state[field])) state[field] = number(key, value);
      else if (!Array.isArray(value) || value.length > o.historySize) {
        reader.problem(`state: ${key}: expected a list of at most ${o.historySize}`);
      } else {
        const read = field === "ro" ? number : vector;
        state[field] = value.map((v) => read(key, v as StateValue));
      }
    }
    return state;
  }
}
