/** Whole files, where there is a file system. */
import { KindlingError } from "../tensor/errors.js";

function files(op: string): typeof import("node:fs") {
  const fs = globalThis.process?.getBuiltinModule?.("node:fs");
  if (fs === undefined)
    throw new KindlingError(`[${op}] there is no file system here; try the form that takes bytes`);
  return fs;
}

/**
 * Writes a file: first to a temporary name, then in place of the old file, so that a crash leaves no half of one.
 * @internal
 */
export function writeBytes(op: string, path: string, bytes: Uint8Array): void {
  const fs = files(op);
  const temporary = `${path}.${globalThis.process.pid}.tmp`;
  fs.writeFileSync(temporary, bytes);
  fs.renameSync(temporary, path);
}

/** Reads a file. @throws KindlingError naming it when it does not exist. @internal */
export function readBytes(op: string, path: string): Uint8Array {
  const fs = files(op);
  if (!fs.existsSync(path))
    throw new KindlingError(`[${op}] got ${path}, expected the path of a file that exists`);
  return fs.readFileSync(path);
}
