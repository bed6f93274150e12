/** Autograd: walks that cannot be, changes that would falsify a gradient. */

import { expect, test } from "vitest";
import {
  autograd,
  detectAnomaly,
  func,
  grad,
  nn,
  noGrad,
  ones,
  optim,
  scope,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from "../../src/index.js";
import { errorOf, firstLine } from "./errorOf.js";

const leaf = (size: number[] = [2]) => ones(size, { requiresGrad: true });

class TooFew extends autograd.Function {
  static forward(_: autograd.FunctionContext, x: Tensor, y: Tensor): Tensor {
    return x.mul(y);
  }
  static backward(_: autograd.FunctionContext, g: Tensor): Tensor {
    return g;
  }
}

class WrongShape extends autograd.Function {
  static forward(_: autograd.FunctionContext, x: Tensor): Tensor {
    return x.exp();
  }
  static backward(_: autograd.FunctionContext, g: Tensor): Tensor {
    return g.sum();
  }
}

test("backward of many elements", () => {
  expect(errorOf(() => leaf().backward())).toMatchInlineSnapshot(
    `"AutogradError: [backward] a gradient can be made implicitly only for a tensor of one element: got shape [2]; try loss.mean().backward(), or pass the gradient"`,
  );
});

test("backward of a constant", () => {
  expect(errorOf(() => ones([1]).backward())).toMatchInlineSnapshot(
    `"AutogradError: [backward] tensor 0 does not require a gradient and has no gradFn: nothing to differentiate; try requiresGrad: true on the inputs, and no noGrad() around the forward"`,
  );
});

test("backward of what noGrad computed", () => {
  expect(errorOf(() => noGrad(() => leaf().sum()).backward())).toMatchInlineSnapshot(
    `"AutogradError: [backward] tensor 0 does not require a gradient and has no gradFn: nothing to differentiate; try requiresGrad: true on the inputs, and no noGrad() around the forward"`,
  );
});

test("backward twice", () => {
  expect(
    errorOf(() => {
      const loss = leaf().exp().sum();
      loss.backward();
      loss.backward();
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [backward] the graph of Exp was already freed: a graph can be walked once; try { retainGraph: true } the first time, or detach() what should not be walked again"`,
  );
});

test("backward through a part that was walked", () => {
  expect(
    errorOf(() => {
      const h = leaf().exp();
      h.sum().backward();
      h.mul(h).sum().backward();
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [backward] the graph of Exp was already freed: a graph can be walked once; try { retainGraph: true } the first time, or detach() what should not be walked again"`,
  );
});

test("grad twice", () => {
  expect(
    errorOf(() => {
      const w = leaf();
      const loss = w.exp().sum();
      grad(loss, w);
      grad(loss, w);
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [grad] the graph of Exp was already freed: a graph can be walked once; try { retainGraph: true } the first time, or detach() what should not be walked again"`,
  );
});

test("grad twice, unused inputs allowed", () => {
  expect(
    errorOf(() => {
      const w = leaf();
      const loss = w.exp().sum();
      grad(loss, w);
      grad(loss, w, { allowUnused: true });
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [grad] the graph of Exp was already freed: a graph can be walked once; try { retainGraph: true } the first time, or detach() what should not be walked again"`,
  );
});

test("grad after backward", () => {
  expect(
    errorOf(() => {
      const w = leaf();
      const loss = w.exp().sum();
      loss.backward();
      grad(loss, w);
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [grad] the graph of Exp was already freed: a graph can be walked once; try { retainGraph: true } the first time, or detach() what should not be walked again"`,
  );
});

test("grad of an input that was not used", () => {
  expect(errorOf(() => grad(leaf().sum(), leaf()))).toMatchInlineSnapshot(
    `"AutogradError: [grad] input 0 was not used in the graph of the outputs; try { allowUnused: true } to get null for it"`,
  );
});

test("grad of an input without gradient", () => {
  expect(errorOf(() => grad(leaf().sum(), ones([2])))).toMatchInlineSnapshot(
    `"AutogradError: [grad] input 0 does not require a gradient; try requiresGrad: true when making it"`,
  );
});

test("a second derivative without createGraph", () => {
  expect(
    errorOf(() => {
      const w = leaf([1]);
      const [g] = grad(w.pow(3).sum(), w);
      grad(g, w);
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [grad] tensor 0 does not require a gradient and has no gradFn: nothing to differentiate; try requiresGrad: true on the inputs, and no noGrad() around the forward"`,
  );
});

test("a gradient of another shape", () => {
  expect(errorOf(() => leaf().backward(ones([3])))).toMatchInlineSnapshot(
    `"AutogradError: [backward] the gradient has shape [3], expected [2], the shape of the output"`,
  );
});

test("a leaf changed in place", () => {
  expect(errorOf(() => leaf().add_(1))).toMatchInlineSnapshot(
    `"AutogradError: [add_] a leaf that requires a gradient cannot be changed in place; try noGrad(() => ...), or the op without the trailing underscore"`,
  );
});

test("a view of a leaf changed in place", () => {
  expect(errorOf(() => leaf().at(0).add_(1))).toMatchInlineSnapshot(
    `"AutogradError: [add_] a view of a leaf that requires a gradient cannot be changed in place; try noGrad(() => ...), or the op without the trailing underscore"`,
  );
});

test("a saved result changed in place", () => {
  expect(
    errorOf(() => {
      const h = leaf().exp();
      const loss = h.mul(h).sum();
      h.add_(1);
      loss.backward();
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [backward] input 1 of Mul, a float32 tensor of shape [2], was changed in place after it was saved: it is at version 1, expected version 0; try the op without the trailing underscore, or clone() before it (detectAnomaly shows where)"`,
  );
});

test("a saved input changed in place", () => {
  expect(
    errorOf(() => {
      const x = ones([2]);
      const loss = leaf().mul(x).sum();
      x.add_(1);
      loss.backward();
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [backward] input 1 of Mul, a float32 tensor of shape [2], was changed in place after it was saved: it is at version 1, expected version 0; try the op without the trailing underscore, or clone() before it (detectAnomaly shows where)"`,
  );
});

test("an output that its own derivative needs changed in place", () => {
  expect(
    errorOf(() => {
      const h = leaf().exp();
      noGrad(() => h.add_(1));
      h.sum().backward();
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [backward] output of Exp, a float32 tensor of shape [2], was changed in place after it was saved: it is at version 1, expected version 0; try the op without the trailing underscore, or clone() before it (detectAnomaly shows where)"`,
  );
});

test("a step between forward and backward", () => {
  expect(
    errorOf(() => {
      const w = leaf();
      const sgd = new optim.SGD([w], { lr: 1 });
      const loss = w.mul(w).sum();
      w.sum().backward();
      sgd.step();
      loss.backward();
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [backward] input 1 of Mul, a float32 tensor of shape [2], was changed in place after it was saved: it is at version 1, expected version 0; try the op without the trailing underscore, or clone() before it (detectAnomaly shows where)"`,
  );
});

test("a state dict loaded between forward and backward", () => {
  expect(
    errorOf(() => {
      const layer = new nn.Linear(2, 2);
      const loss = layer(leaf().mul(1)).sum();
      layer.loadStateDict(new nn.Linear(2, 2).stateDict());
      loss.backward();
    }),
  ).toMatchInlineSnapshot(
    `"AutogradError: [backward] input 1 of Linear, a float32 tensor of shape [2, 2], was changed in place after it was saved: it is at version 2, expected version 1; try the op without the trailing underscore, or clone() before it (detectAnomaly shows where)"`,
  );
});

test("an expanded tensor changed in place", () => {
  expect(errorOf(() => ones([1]).expand([3]).add_(1))).toMatchInlineSnapshot(
    `"ValueError: [add_] the elements of an expanded tensor share their places: got shape [3] with strides [0]; try clone() first"`,
  );
});

test("a gradient set by hand, of another shape", () => {
  expect(
    errorOf(() => {
      leaf().grad = ones([3]);
    }),
  ).toMatchInlineSnapshot(
    `"ShapeError: [grad] got a gradient float32[3], expected float32[2] as the tensor has"`,
  );
});

test("requiresGrad_(false) on a result", () => {
  expect(errorOf(() => leaf().exp().requiresGrad_(false))).toMatchInlineSnapshot(
    `"AutogradError: [requiresGrad_] only leaves can stop requiring a gradient; try detach()"`,
  );
});

test("retainGrad without gradient", () => {
  expect(errorOf(() => ones([1]).retainGrad())).toMatchInlineSnapshot(
    `"AutogradError: [retainGrad] the tensor does not require a gradient; try requiresGrad: true on the inputs"`,
  );
});

test("a hook without gradient", () => {
  expect(errorOf(() => ones([1]).registerHook(() => undefined))).toMatchInlineSnapshot(
    `"AutogradError: [registerHook] the tensor does not require a gradient: its hook would never be called; try requiresGrad: true on the inputs"`,
  );
});

test("a custom function that returns too few gradients", () => {
  expect(errorOf(() => TooFew.apply(leaf(), leaf()).sum().backward())).toMatchInlineSnapshot(
    `"AutogradError: [TooFew] backward returned 1 gradients, expected 2, one for each argument of forward"`,
  );
});

test("a custom function that returns a wrong shape", () => {
  expect(errorOf(() => WrongShape.apply(leaf()).sum().backward())).toMatchInlineSnapshot(
    `"AutogradError: [WrongShape] backward gave input 0 a gradient of shape [], expected [2], the shape of the input, or one that broadcasts from it"`,
  );
});

test("the Hessian of many elements", () => {
  expect(errorOf(() => autograd.functional.hessian((x: Tensor) => x, leaf()))).toMatchInlineSnapshot(
    `"AutogradError: [hessian] the function must return one tensor of one element: got [2]"`,
  );
});

test("func.grad of many elements", () => {
  expect(errorOf(() => func.grad((x: Tensor) => x)(ones([2])))).toMatchInlineSnapshot(
    `"AutogradError: [func.grad] the function must return one tensor without dimensions: got [2]; try sum()"`,
  );
});

test("vmap over different sizes", () => {
  expect(errorOf(() => vmap((a: Tensor, b: Tensor) => a.add(b))(ones([2]), ones([3])))).toMatchInlineSnapshot(
    `"ShapeError: [vmap] the batch dimensions differ in size: got [2] along 0, [3] along 0"`,
  );
});

test("a tensor that its scope freed", () => {
  expect(
    errorOf(() => {
      let kept: Tensor = tensor(0);
      scope(() => {
        kept = ones([2]);
      });
      kept.add(1);
    }),
  ).toMatchInlineSnapshot(
    `"HeapError: [scope] this tensor was freed when its scope ended: return it from the scope, call keep(tensor) inside, or clone it outside"`,
  );
});

test("NaN in a gradient", () => {
  expect(
    firstLine(() => detectAnomaly(() => zeros([1], { requiresGrad: true }).sqrt().mul(0).sum().backward())),
  ).toMatchInlineSnapshot(
    `"AutogradError: [detectAnomaly] Sqrt returned NaN in the gradient of its input 0; try inputs where its slope is finite"`,
  );
});
