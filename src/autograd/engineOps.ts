/** The ops that the engine itself calls: it stands below `src/ops`, which fills them in. */
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Op } from "./op.js";
import type { ViewPlace } from "./views.js";

/** @internal Ops that the engine itself uses; `src/ops` fills them in. */
export interface EngineOps {
  add(a: Tensor, b: Tensor): Tensor;
  sumTo(x: Tensor, shape: Shape): Tensor;
  cast(x: Tensor, code: number): Tensor;
  clone(x: Tensor): Tensor;
  alias(x: Tensor): Tensor;
  reshape(x: Tensor, shape: Shape): Tensor;
  select(x: Tensor, dim: number, index: number): Tensor;
  stack(tensors: readonly Tensor[], dim: number): Tensor;
  asStrided: Op<ViewPlace>;
  asStridedScatter: Op<ViewPlace>;
}

/** @internal */
export const engineOps = {} as EngineOps;
