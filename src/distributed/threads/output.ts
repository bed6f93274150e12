/** Output of ranks: written at once, although their event loop may not turn for hours. */
import { writeSync } from "node:fs";

const STDOUT = 1;
const STDERR = 2;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of a text; a pipe whose reader is slow may take it in parts. */
export function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE" || code === "EBADF") return; // nobody reads any more
      if (code !== "EAGAIN") throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

/** Cuts a stream of text into lines, each with a prefix; the rest of a line waits for its end. */
export class Lines {
  private rest = "";

  constructor(
    private readonly prefix: string,
    private readonly write: (text: string) => void,
  ) {}

  /** Takes a piece of text. */
  add(text: string): void {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() as string;
    if (lines.length > 0) this.write(lines.map((line) => `${this.prefix}${line}\n`).join(""));
  }

  /** Writes what is left of a last line without an end. */
  flush(): void {
    if (this.rest !== "") this.add("\n");
  }
}

type Done = (error?: Error | null) => void;

/**
 * Makes this thread's `process.stdout` and `process.stderr` write through to the process's own, line by line with a
 * prefix when that is not empty. Node's own way hands text to the main thread only while this thread's event loop
 * turns, and loses what is left when the thread is ended. Returns what writes unfinished lines.
 */
export function writeThrough(prefix: string): () => void {
  const streams = [
    [process.stdout, STDOUT],
    [process.stderr, STDERR],
  ] as const;
  const flushes = streams.map(([stream, fd]) => {
    const direct = (text: string) => writeAll(fd, text);
    const lines = new Lines(prefix, direct);
    stream.write = (data: Uint8Array | string, encoding?: BufferEncoding | Done, done?: Done): boolean => {
      const text = typeof data === "string" ? data : Buffer.from(data).toString();
      if (prefix === "") direct(text);
      else lines.add(text);
      const called = typeof encoding === "function" ? encoding : done;
      if (called !== undefined) queueMicrotask(() => called());
      return true;
    };
    return () => lines.flush();
  });
  return () => {
    for (const flush of flushes) flush();
  };
}
