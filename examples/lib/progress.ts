/** A progress bar for training loops: one line that is redrawn, or a line now and then where there is no terminal. */

/** What the bar shows beside the position. */
export interface Progress {
  loss: number;
  accuracy?: number;
  imagesPerSecond?: number;
  charactersPerSecond?: number;
}

/** Minutes and seconds. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

function show({ loss, accuracy, imagesPerSecond, charactersPerSecond }: Progress): string {
  const parts = [`loss ${loss.toFixed(4)}`];
  if (accuracy !== undefined) parts.push(`accuracy ${(100 * accuracy).toFixed(2)} %`);
  if (imagesPerSecond !== undefined) parts.push(`${Math.round(imagesPerSecond)} images/s`);
  if (charactersPerSecond !== undefined) parts.push(`${Math.round(charactersPerSecond)} characters/s`);
  return parts.join("  ");
}

/** Draws the progress of one epoch, or of a number of steps. */
export class ProgressBar {
  private readonly label: string;
  private readonly total: number;
  private readonly started = performance.now();
  private lastDraw = 0;
  private lastTenth = 0;
  /** Whether the cursor stands at the end of a drawn bar. */
  private open = false;
  private readonly terminal = process.stdout.isTTY === true;

  constructor(label: string, total: number) {
    this.label = label;
    this.total = total;
  }

  /** Seconds since the bar was made. */
  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  update(done: number, progress: Progress): void {
    const now = performance.now();
    const finished = done === this.total;
    const tenth = Math.floor((10 * done) / this.total);
    if (!finished && (this.terminal ? now - this.lastDraw < 100 : tenth <= this.lastTenth)) return;
    this.lastDraw = now;
    this.lastTenth = tenth;
    const left = (this.seconds / done) * (this.total - done);
    const numbers = `${show(progress)}  ${finished ? `took ${clock(this.seconds)}` : `left ${clock(left)}`}`;
    if (!this.terminal) {
      console.log(
        `${this.label}  ${String(Math.round((100 * done) / this.total)).padStart(3)} %  ${numbers}`,
      );
      return;
    }
    // A line that the terminal wraps cannot be redrawn: the bar gives way first.
    const columns = process.stdout.columns || 80;
    const width = Math.min(24, columns - 1 - `${this.label} [] ${numbers}`.length);
    const filled = "=".repeat(Math.max(0, Math.round((width * done) / this.total)));
    const line = `${this.label} ${width < 4 ? "" : `[${filled.padEnd(width)}] `}${numbers}`;
    process.stdout.write(`\r\x1b[K${line.slice(0, columns - 1)}`);
    this.open = true;
    if (finished) this.end();
  }

  /** Ends the bar's line, finished or not. */
  end(): void {
    if (this.open) process.stdout.write("\n");
    this.open = false;
  }
}
