/** Calls a recorded function by its PyTorch name: functions, methods, properties, operators and indexing. */
import { type Arguments, bindCall, bindMethod, camelCase } from "./bind.js";
import { ELLIPSIS, libraryPath, type SliceIndex } from "./decode.js";
import { isNamespace, isTensor, type Library, Missing, resolveFunction, type TensorLike } from "./library.js";

/** Operators with the operands swapped: `a.__rsub__(b)` is `b - a`. */
const REFLECTED: Readonly<Record<string, string>> = {
  __radd__: "add",
  __rsub__: "sub",
  __rmul__: "mul",
  __rdiv__: "div",
  __rtruediv__: "div",
  __rfloordiv__: "floorDivide",
  __rmod__: "remainder",
  __rpow__: "pow",
  __rmatmul__: "matmul",
  __rand__: "bitwiseAnd",
  __ror__: "bitwiseOr",
  __rxor__: "bitwiseXor",
  __rlshift__: "bitwiseLeftShift",
  __rrshift__: "bitwiseRightShift",
};

/** A Python number as left operand, as a 0-d tensor that does not change the result's dtype. */
function operand(library: Library, value: unknown, beside: TensorLike): unknown {
  if (isTensor(library, value)) {
    return value;
  }
  const fits = beside.dtype.startsWith("float") || Number.isInteger(value) || typeof value === "boolean";
  return library.tensor(value, { dtype: fits ? beside.dtype : "float32" });
}

function isSlice(value: unknown): value is SliceIndex {
  return isNamespace(value) && "slice" in value && typeof value.slice === "string";
}

/** One Python index in the form that Kindling's indexing method takes. */
function toIndex(library: Library, value: unknown): unknown {
  if (value === ELLIPSIS) {
    return "...";
  }
  if (isSlice(value)) {
    return value.slice;
  }
  if (Array.isArray(value)) {
    const isMask = value.length > 0 && value.flat(Infinity).every((item) => typeof item === "boolean");
    return library.tensor(value, { dtype: isMask ? "bool" : "int64" });
  }
  return value;
}

/** A list with anything but integers in it indexes like a tuple, one entry for each dimension. */
function indices(library: Library, index: unknown): unknown[] {
  const isTuple = Array.isArray(index) && index.some((item) => typeof item !== "number");
  return isTuple ? index.map((item) => toIndex(library, item)) : [toIndex(library, index)];
}

function callMethod(self: unknown, name: string, args: unknown[]): unknown {
  const member = isNamespace(self) ? self[name] : undefined;
  if (member === undefined) {
    throw new Missing(`no such method: Tensor.${name}`);
  }
  return typeof member === "function" ? Reflect.apply(member, self, args) : member;
}

/** `slice(x, dim = 0, start, end, step = 1)` as an index expression. */
function sliceIndices([dim = 0, start, end, step = 1]: readonly unknown[], ndim: number): string[] {
  const axis = Number(dim) < 0 ? Number(dim) + ndim : Number(dim);
  const bound = (value: unknown) => (typeof value === "number" ? String(value) : "");
  return [...new Array<string>(axis).fill(":"), `${bound(start)}:${bound(end)}:${String(step)}`];
}

/** `x.to(...)` takes a dtype or a tensor to be like; a device means nothing here. */
function callTo(library: Library, self: TensorLike, { args, kwargs }: Arguments): unknown {
  const given = [...args, ...Object.values(kwargs)];
  const target =
    given.find((value) => isTensor(library, value)) ??
    given.find((value) => typeof value === "string" && /\d|bool/.test(value));
  return callMethod(self, "to", [target ?? self.dtype]);
}

/** Calls `name` (`torch.add`, `Tensor.view`, `F.pad`, `aten.slice`, …) with decoded arguments. */
export function invoke(library: Library, name: string, call: Arguments): unknown {
  if (!name.startsWith("Tensor.") && name !== "aten.slice") {
    const key = name.replace(/^torch\.nn\.functional\./, "F.").replace(/^torch\.(linalg|special)\./, "$1.");
    return resolveFunction(library, libraryPath(name))(...bindCall(key, call));
  }
  const [self, ...rest] = call.args;
  if (!isTensor(library, self)) {
    throw new Error(`[${name}] the first argument is not a tensor`);
  }
  const method = name.slice(name.indexOf(".") + 1);
  const reflected = REFLECTED[method];
  if (reflected) {
    // PyTorch's __rpow__ copies its operand with torch.tensor(...), which leaves the graph behind.
    const left =
      method === "__rpow__" && isTensor(library, rest[0]) ? callMethod(rest[0], "detach", []) : rest[0];
    return resolveFunction(library, reflected)(operand(library, left, self), self);
  }
  switch (method) {
    case "__getitem__":
      return callMethod(self, "at", indices(library, rest[0]));
    case "slice":
      return callMethod(self, "at", sliceIndices(rest, self.shape.length));
    case "to":
      return callTo(library, self, { args: rest, kwargs: call.kwargs });
    default:
      return callMethod(self, camelCase(method), bindMethod(method, call));
  }
}
