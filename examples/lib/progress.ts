/** A progress bar for training loops: one line that is redrawn, or a line now and then where there is no terminal. */

/** What the bar shows beside the position. */
export interface Progress {
  loss: number;
  accuracy: number;
  imagesPerSecond: number;
}

/** Minutes and seconds. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

/** Draws the progress of one epoch. */
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

  update(done: number, progress: Progress): void {
    const now = performance.now();
    const finished = done === this.total;
    if (this.terminal ? !finished && now - this.lastDraw < 100 : !finished && Math.floor((10 * done) / this.total) <= this.lastTenth) return;
    this.lastDraw = now;
    this.lastTenth = Math.floor((10 * done) / this.total);
    const left = ((now - this.started) / 1000 / done) * (this.total - done);
    const numbers =
      `loss ${progress.loss.toFixed(4)}  accuracy ${(100 * progress.accuracy).toFixed(2)} %  ` +
      `${Math.round(progress.imagesPerSecond)} images/s  ${finished ? `took ${clock((now - this.started) / 1000)}` : `left ${clock(left)}`}`;
    if (!this.terminal) {
      console.log(`${this.label}  ${String(Math.round((100 * done) / this.total)).padStart(3)} %  ${numbers}`);
      return;
    }
    const width = 24;
    const filled = Math.round((width * done) / this.total);
    process.stdout.write(`\r\x1b[K${this.label} [${"=".repeat(filled)}${" ".repeat(width - filled)}] ${numbers}`);
    if (finished) process.stdout.write("\n");
  }
}
