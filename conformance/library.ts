/** The small part of Kindling that the runner itself touches, so that it can be tried on a stand-in. */

/** Any object whose members are looked up by name: the library, a namespace of it, an options object. */
export type Namespace = Readonly<Record<string, unknown>>;

/** What the runner needs of a tensor. */
export interface TensorLike {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly requiresGrad: boolean;
  requiresGrad_(requiresGrad: boolean): TensorLike;
  toTypedArray(): ArrayLike<number | bigint>;
  reshape(shape: number[]): TensorLike;
}

/** What the runner needs of a module. */
export interface ModuleLike {
  (...args: unknown[]): unknown;
  train(mode: boolean): unknown;
  double(): unknown;
  float(): unknown;
  loadStateDict(state: Record<string, unknown>): unknown;
  stateDict(): unknown;
  namedParameters(): Iterable<readonly [string, TensorLike]>;
}

/** The library under test, with the few names the runner calls by hand. */
export interface Library extends Namespace {
  tensor(data: unknown, options: Namespace): TensorLike;
  Tensor: abstract new (...args: never[]) => object;
}

/** Thrown for what the library does not have (or has no dtype for): the case is unsupported, not failed. */
export class Unsupported extends Error {}

/** Unsupported because the library has no such function, class or method (yet). */
export class Missing extends Unsupported {}

/** Whether a value can carry named members. */
export function isNamespace(value: unknown): value is Namespace {
  return value !== null && (typeof value === "object" || typeof value === "function");
}

/** The member of `root` at a dotted path such as `nn.functional.gelu`. */
export function resolve(root: Namespace, path: string): unknown {
  let value: unknown = root;
  for (const part of path.split(".")) {
    value = isNamespace(value) ? value[part] : undefined;
  }
  if (value === undefined) {
    throw new Missing(`no such function: ${path}`);
  }
  return value;
}

/** `resolve`, for something that is called. */
export function resolveFunction(root: Namespace, path: string): (...args: unknown[]) => unknown {
  const value = resolve(root, path);
  if (typeof value !== "function") {
    throw new Missing(`no such function: ${path}`);
  }
  return (...args) => Reflect.apply(value, undefined, args);
}

/** `resolve`, for a class to construct. */
export function construct(root: Namespace, path: string, args: unknown[]): unknown {
  const value = resolve(root, path);
  if (typeof value !== "function") {
    throw new Missing(`no such class: ${path}`);
  }
  return Reflect.construct(value, args);
}

/** Whether a value is one of the library's tensors. */
export function isTensor(library: Library, value: unknown): value is TensorLike {
  return value instanceof library.Tensor;
}
