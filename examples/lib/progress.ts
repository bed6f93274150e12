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
    const width = 24;
    const filled = Math.round((width * done) / this.total);
    process.stdout.write(
      `\r\x1b[K${this.label} [${"=".repeat(filled)}${" ".repeat(width - filled)}] ${numbers}`,
    );
    if (finished) process.stdout.write("\n");
  }
}
