/** The recorded case files: their shape, and finding and reading them below a folder. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** A recorded value: JSON, with PyTorch's own kinds of value as objects that carry a "$" tag. */
export type Recorded = null | boolean | number | string | readonly Recorded[] | RecordedObject;

/** A dict, or a tagged value if it has "$". */
export interface RecordedObject {
  readonly [key: string]: Recorded | undefined;
}

/** A recorded tensor: contiguous data, row-major. */
export interface RecordedTensor {
  readonly $: "tensor";
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
  readonly requires_grad?: boolean;
}

/** Arguments as the Python call had them. */
export interface RecordedCall {
  readonly args: readonly Recorded[];
  readonly kwargs: { readonly [name: string]: Recorded };
}

/** Gradients by leaf path or parameter name; null where PyTorch has none. */
export type RecordedGrads = { readonly [path: string]: RecordedTensor | null };

/** A call of a function, method or operator. */
export interface OpCase extends RecordedCall {
  readonly id: string;
  readonly fn: string;
  readonly output: Recorded;
  readonly grad_outputs?: readonly (RecordedTensor | null)[];
  readonly grads?: RecordedGrads;
}

/** A module built and called, or (kind "functional") a function of nn.functional. */
export interface ModuleCase {
  readonly id: string;
  readonly kind: "module" | "functional";
  readonly fn?: string;
  readonly module?: string;
  readonly ctor?: RecordedCall;
  readonly state_dict?: { readonly [name: string]: RecordedTensor };
  readonly lazy?: string;
  readonly training: boolean;
  readonly dtype: string;
  readonly forward: RecordedCall;
  readonly output: Recorded;
  readonly grad_outputs: readonly (RecordedTensor | null)[];
  readonly grads: { readonly inputs: RecordedGrads; readonly params: RecordedGrads } | null;
  readonly buffers_after?: { readonly [name: string]: RecordedTensor };
}

/** A case of either kind of file. */
export type Case = OpCase | ModuleCase;

/** One file: the cases of one op variant, module or function. */
export interface CaseFile {
  readonly name: string;
  readonly cases: readonly Case[];
}

/** Whether a case is about a module (or functional), not an op. */
export function isModuleCase(recorded: Case): recorded is ModuleCase {
  return "kind" in recorded;
}

/** Whether a recorded value is a tensor. */
export function isRecordedTensor(value: Recorded | RecordedTensor | undefined): value is RecordedTensor {
  return typeof value === "object" && value !== null && "$" in value && value.$ === "tensor";
}

/** Paths of all case files below a folder, sorted. */
export function findCaseFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".json.gz"))
    .map((path) => join(folder, path))
    .sort();
}

/** Reads one case file. */
export function readCaseFile(path: string): CaseFile {
  const file: Partial<CaseFile> = JSON.parse(gunzipSync(readFileSync(path)).toString("utf8"));
  if (typeof file.name !== "string" || !Array.isArray(file.cases)) {
    throw new Error(`[conformance] ${path} is not a case file: it has no name or no cases`);
  }
  return { name: file.name, cases: file.cases };
}
