/** base^t as decaying rates need it: a step asks for the same power once for every parameter, and a power is slow. */
export class Power {
  private base = Number.NaN;
  private t = Number.NaN;
  private value = 1;

  /** base^t, remembered until another one is asked for. */
  of(base: number, t: number): number {
    if (base !== this.base || t !== this.t) {
      this.base = base;
      this.t = t;
      this.value = base ** t;
    }
    return this.value;
  }
}
