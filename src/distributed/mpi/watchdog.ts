/** A limit for calls that block this thread and cannot be interrupted, as MPI_Init does until all ranks have called it. */
import { Worker } from "node:worker_threads";

const SOURCE = `
const { workerData: { ms, text, pid } } = require("node:worker_threads");
setTimeout(() => {
  require("node:fs").writeSync(2, text + "\\n");
  process.kill(pid, "SIGKILL");
}, ms);
`;

/** Runs `call`; when it takes more than `ms` milliseconds, shows `text` and ends this process. */
export function withinTime<T>(ms: number, text: string, call: () => T): T {
  const dog = new Worker(SOURCE, { eval: true, workerData: { ms, text, pid: process.pid }, execArgv: [] });
  dog.unref();
  try {
    return call();
  } finally {
    void dog.terminate();
  }
}
