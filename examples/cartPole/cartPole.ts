/** A pole on a cart that is pushed left or right (Barto, Sutton and Anderson 1983), with the constants of Gymnasium's. */
import { rand } from "kindling";

const GRAVITY = 9.8; // m/s²
const CART = 1; // kg
const POLE = 0.1; // kg
const HALF = 0.5; // m, half of the pole's length
const FORCE = 10; // N
const TICK = 0.02; // s
const TRACK = 2.4; // m to either side
const TILT = (12 * Math.PI) / 180; // the pole counts as fallen beyond

/** Position (m) and speed of the cart, angle (rad) and angular speed of the pole. */
export type State = readonly [x: number, v: number, angle: number, spin: number];

/** What a push led to. */
export interface Outcome {
  state: State;
  /** Whether the pole has fallen, or the cart left its track. */
  fallen: boolean;
}

export class CartPole {
  state: State = [0, 0, 0, 0];

  /** Starts anew, nearly upright: every number is drawn from [-0.05, 0.05). */
  reset(): State {
    this.state = rand([4]).sub(0.5).mul(0.1).toArray() as unknown as State;
    return this.state;
  }

  /** Pushes to the right (1) or to the left (0) for one tick: Euler's method. */
  step(action: number): Outcome {
    const [x, v, angle, spin] = this.state;
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
    const force = action === 1 ? FORCE : -FORCE;
    // Newton's second law for both bodies, solved for the two accelerations.
    const push = (force + POLE * HALF * spin ** 2 * sin) / (CART + POLE);
    const turn = (GRAVITY * sin - cos * push) / (HALF * (4 / 3 - (POLE * cos ** 2) / (CART + POLE)));
    const drive = push - (POLE * HALF * turn * cos) / (CART + POLE);
    this.state = [x + TICK * v, v + TICK * drive, angle + TICK * spin, spin + TICK * turn];
    return { state: this.state, fallen: Math.abs(this.state[0]) > TRACK || Math.abs(this.state[2]) > TILT };
  }
}
