/** The state of several modules of one kind as one: for ensembles under `func.vmap`. */
import { stack } from "../../ops/join.js";
import { ValueError } from "../../tensor/errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { AnyModule } from "../base.js";

function stacked(
  models: readonly AnyModule[],
  named: (model: AnyModule) => Iterable<[string, Tensor]>,
): Record<string, Tensor> {
  const all = models.map((model) => new Map(named(model)));
  const names = [...(all[0] as Map<string, Tensor>).keys()];
  return Object.fromEntries(
    names.map((name) => {
      const tensors = all.map((state) => state.get(name));
      const odd = tensors.indexOf(undefined);
      if (odd >= 0)
        throw new ValueError(
          `[stackModuleState] model ${odd} has no "${name}": expected models of one structure`,
        );
      const list = tensors as Tensor[];
      const learned = list.every((t) => t.requiresGrad);
      const whole = stack(list.map((t) => t.detach()));
      return [name, learned ? whole.requiresGrad_() : whole];
    }),
  );
}

/**
 * Parameters and buffers of models of one structure, stacked along a new first dimension, by their keys: what
 * `functionalCall` under `vmap` takes. Source: `torch.func.stack_module_state`.
 * @example
 * const models = [new nn.Linear(3, 2), new nn.Linear(3, 2)];
 * const [params, buffers] = func.stackModuleState(models);
 * params.weight.shape; // [2, 2, 3]
 * const run = func.vmap((p, b, x) => func.functionalCall(models[0], [p, b], [x]), { inDims: [0, 0, null] });
 * run(params, buffers, ones([5, 3])).shape; // [2, 5, 2]
 * @throws ValueError without models, for models of different structure, or in training and evaluation mode at once.
 */
export function stackModuleState(
  models: readonly AnyModule[],
): [params: Record<string, Tensor>, buffers: Record<string, Tensor>] {
  if (models.length === 0) throw new ValueError("[stackModuleState] got no models, expected one or more");
  const [first] = models as readonly [AnyModule];
  if (models.some((m) => m.constructor !== first.constructor)) {
    const got = models.map((m) => m._getName()).join(", ");
    throw new ValueError(`[stackModuleState] expected models of one class: got ${got}`);
  }
  if (models.some((m) => m.training !== first.training)) {
    throw new ValueError("[stackModuleState] some models are in training mode and some are not");
  }
  return [stacked(models, (m) => m.namedParameters()), stacked(models, (m) => m.namedBuffers())];
}
