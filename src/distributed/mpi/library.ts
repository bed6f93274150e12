/**
 * Loads the system's MPI library through koffi and binds the functions that the mpi backend calls. All arguments are
 * numbers: counts, handles and addresses, so that MPI reads and writes tensors where they are in the heap.
 */
import { createRequire } from "node:module";
import { DistBackendError } from "../errors.js";
import { type Abi, abiOf } from "./abi.js";

interface NativeLibrary {
  func(name: string, result: string, parameters: readonly string[]): (...args: number[]) => number;
  symbol(name: string, type: string): unknown;
}

interface Koffi {
  load(path: string, options: { global: boolean }): NativeLibrary;
  address(value: unknown): bigint;
}

/** C types of the parameters: `h` a handle, `p` an address, `i` an int. Every function returns an error code. */
const FUNCTIONS = {
  MPI_Init_thread: "ppip",
  MPI_Initialized: "p",
  MPI_Finalize: "",
  MPI_Abort: "hi",
  MPI_Error_string: "ipp",
  MPI_Comm_rank: "hp",
  MPI_Comm_size: "hp",
  MPI_Comm_dup: "hp",
  MPI_Comm_set_errhandler: "hh",
  MPI_Isend: "pihiihp",
  MPI_Irecv: "pihiihp",
  MPI_Iprobe: "iihpp",
  MPI_Cancel: "p",
  MPI_Testall: "ippp",
  MPI_Wait: "pp",
} as const;

/** The functions of the MPI library. */
export type MpiFunctions = Readonly<Record<keyof typeof FUNCTIONS, (...args: number[]) => number>>;

/** A loaded MPI library. */
export interface Mpi extends MpiFunctions {
  readonly abi: Abi;
  /** The file that was loaded, as the loader was asked for it. */
  readonly file: string;
  /** Lets another thread or process of this core run. */
  readonly yieldCore: () => number;
  /** The address of the first byte of an array outside V8's own heap. */
  address(bytes: Uint8Array): number;
}

const SONAMES = {
  linux: { MPICH: ["libmpich.so.12", "libmpi.so.12"], "Open MPI": ["libmpi.so.40"] },
  darwin: {
    MPICH: ["libmpi.12.dylib", "/opt/homebrew/lib/libmpi.12.dylib", "/usr/local/lib/libmpi.12.dylib"],
    "Open MPI": ["libmpi.40.dylib", "/opt/homebrew/lib/libmpi.40.dylib", "/usr/local/lib/libmpi.40.dylib"],
  },
} as const;

const platform = process.platform === "darwin" ? "darwin" : "linux";

/** How to install an MPI library, or to say where one is. */
function installation(): string {
  const commands = {
    linux: '"apt-get install mpich" or "apt-get install openmpi-bin"',
    darwin: '"brew install mpich" or "brew install open-mpi"',
  };
  return `${commands[platform]}, or set KINDLING_MPI_LIBRARY to the library's file`;
}

/** Which MPI's launcher started this process, by the variables it sets; null where none did. */
export function launcher(): Abi["name"] | "unknown" | null {
  const { env } = process;
  if (env.OMPI_COMM_WORLD_RANK !== undefined) return "Open MPI";
  if (env.PMI_RANK !== undefined || env.PMI_ID !== undefined) return "MPICH";
  return env.PMIX_RANK === undefined ? null : "unknown";
}

function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch (error) {
    throw new DistBackendError(
      '[mpi] the package koffi, through which Kindling calls the MPI library, is not installed: try "npm install koffi"',
      { cause: error },
    );
  }
}

/** Loads the first of `files` that exists. */
function loadFirst(koffi: Koffi, files: readonly string[]): { library: NativeLibrary; file: string } | null {
  for (const file of files) {
    try {
      // Open MPI's plug-ins look its symbols up among the global ones.
      return { library: koffi.load(file, { global: true }), file };
    } catch {}
  }
  return null;
}

function find(koffi: Koffi): { library: NativeLibrary; file: string } {
  const { MPICH, "Open MPI": OPEN_MPI } = SONAMES[platform];
  const given = process.env.KINDLING_MPI_LIBRARY || undefined;
  const started = launcher();
  const files =
    given !== undefined
      ? [given]
      : started === "MPICH"
        ? MPICH
        : started === "Open MPI"
          ? OPEN_MPI
          : [...OPEN_MPI, ...MPICH];
  const found = loadFirst(koffi, files);
  if (found !== null) return found;
  if (given !== undefined) {
    throw new DistBackendError(
      `[mpi] KINDLING_MPI_LIBRARY: cannot load "${given}"; try the path of libmpi.so or libmpich.so, or leave it unset`,
    );
  }
  const whose = started === "MPICH" || started === "Open MPI" ? ` of ${started}, whose mpirun runs` : "";
  throw new DistBackendError(
    `[mpi] no MPI library${whose} (looked for ${files.join(", ")}): try ${installation()}`,
  );
}

function bind(koffi: Koffi, library: NativeLibrary, file: string): Mpi {
  const abi = abiOf((name) => {
    try {
      return Number(koffi.address(library.symbol(name, "void")));
    } catch {
      return null;
    }
  });
  const types = { h: abi.handle, p: "uintptr_t", i: "int" } as const;
  const functionOf = (name: string, parameters: string) => {
    try {
      return library.func(
        name,
        "int",
        [...parameters].map((letter) => types[letter as keyof typeof types]),
      );
    } catch (error) {
      throw new DistBackendError(
        `[mpi] ${file} has no function ${name}, so it is no MPI library; try ${installation()}`,
        { cause: error },
      );
    }
  };
  const functions = Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, parameters]) => [name, functionOf(name, parameters)]),
  ) as MpiFunctions;
  // The MPI library links the C library, so the loader finds its functions there, too.
  const yieldCore = library.func("sched_yield", "int", []);
  return { ...functions, abi, file, yieldCore, address: (bytes) => Number(koffi.address(bytes)) };
}

let loaded: Mpi | null = null;

/**
 * The MPI library: that of the mpirun that started this process, else the first that the system has;
 * the environment variable KINDLING_MPI_LIBRARY names another. Loaded once.
 * @throws DistBackendError with the command that installs what is missing.
 */
export function loadMpi(): Mpi {
  if (loaded === null) {
    const koffi = loadKoffi();
    // UCX, below MPICH and Open MPI, would report the signals that V8 turns into WebAssembly traps as crashes, and
    // overwrite the code of mmap and its kin, which V8's other threads may be running, to hear of freed memory.
    process.env.UCX_HANDLE_ERRORS ??= "none";
    process.env.UCX_MEM_MMAP_HOOK_MODE ??= "none";
    const { library, file } = find(koffi);
    loaded = bind(koffi, library, file);
  }
  return loaded;
}
