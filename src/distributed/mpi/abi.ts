/**
 * What differs between the binary interfaces of MPI libraries. MPICH and its relatives (Intel MPI, MVAPICH) know
 * handles as integers that mpi.h spells out; in Open MPI a handle is the address of a global symbol. Values are those
 * of the headers of MPICH 4.0 (the ABI that MPICH has kept since 3.1) and Open MPI 4.1 (libmpi.so.40, kept by 5.0).
 */

/** One binary interface. */
export interface Abi {
  readonly name: "MPICH" | "Open MPI";
  /** C type of a handle, and its bytes in memory. */
  readonly handle: "int" | "uintptr_t";
  readonly handleBytes: 4 | 8;
  readonly commWorld: number;
  readonly byte: number;
  readonly errorsReturn: number;
  readonly anySource: number;
  /** The address that says that statuses are not wanted. */
  readonly statusesIgnore: number;
  /** MPI_Status: its bytes, and where the public fields are. */
  readonly status: { readonly bytes: number; readonly source: number; readonly tag: number };
}

const MPICH: Abi = {
  name: "MPICH",
  handle: "int",
  handleBytes: 4,
  commWorld: 0x44000000,
  byte: 0x4c00010d,
  errorsReturn: 0x54000001,
  anySource: -2,
  statusesIgnore: 1,
  status: { bytes: 20, source: 8, tag: 12 },
};

/** The interface of a library: `symbol` gives the address of one of its global symbols, or null. */
export function abiOf(symbol: (name: string) => number | null): Abi {
  const commWorld = symbol("ompi_mpi_comm_world");
  if (commWorld === null) return MPICH;
  const at = (name: string) => symbol(name) as number;
  return {
    name: "Open MPI",
    handle: "uintptr_t",
    handleBytes: 8,
    commWorld,
    byte: at("ompi_mpi_byte"),
    errorsReturn: at("ompi_mpi_errors_return"),
    anySource: -1,
    statusesIgnore: 0,
    status: { bytes: 24, source: 0, tag: 4 },
  };
}
