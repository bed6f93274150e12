/** The errors that Kindling throws, one class per kind, all with the form `[op] what: got ..., expected ...; try ...`. */

/** Base of all errors thrown by Kindling. */
export class KindlingError extends Error {
  /** The name of the class. */
  override name = "KindlingError";
}

/** Shapes that do not fit an op. */
export class ShapeError extends KindlingError {
  override name = "ShapeError";
}

/** A dtype that an op does not take. */
export class DTypeError extends KindlingError {
  override name = "DTypeError";
}

/** An index or dimension out of range. */
export class IndexError extends KindlingError {
  override name = "IndexError";
}

/** A value out of its allowed range. */
export class ValueError extends KindlingError {
  override name = "ValueError";
}

/** A division of integers by zero. */
export class ZeroDivisionError extends KindlingError {
  override name = "ZeroDivisionError";
}

/** A matrix that has no such decomposition or inverse: singular, not positive-definite, without convergence. */
export class LinAlgError extends KindlingError {
  override name = "LinAlgError";
}

/** Misuse of the autograd engine. */
export class AutogradError extends KindlingError {
  override name = "AutogradError";
}

/** The heap ran out of addresses, or a freed tensor was read. */
export class HeapError extends KindlingError {
  override name = "HeapError";
}

/** A shape as messages print it: `[2, 3]`. */
export function show(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
