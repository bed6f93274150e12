/** The module that the tests of modules and of state dicts share. */
import { nn, ones, type Tensor, zeros } from "../../src/index.js";

const { Linear, Module, ModuleList, Parameter } = nn;

/** Parameters, a buffer, children, and fields that are none of them. */
export class Net extends Module {
  firstLayer = new Linear(3, 4);
  runningMean = this.registerBuffer("runningMean", zeros([4]));
  scale = new Parameter(ones([4]));
  blocks = new ModuleList([new Linear(4, 4), new Linear(4, 4)]);
  nothing: nn.Parameter | null = null;
  notAParameter = ones([2]);

  forward(x: Tensor): Tensor {
    let y = this.firstLayer(x).mul(this.scale);
    for (const block of this.blocks) y = block(y);
    return y;
  }
}
