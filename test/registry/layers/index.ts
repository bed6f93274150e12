/** The registry of all layers. */
import { activations } from "./activations.js";
import { attention } from "./attention.js";
import { classLosses } from "./classLosses.js";
import { convolutions } from "./conv.js";
import { distanceLosses } from "./distanceLosses.js";
import { dropouts } from "./dropout.js";
import { linear } from "./linear.js";
import { losses } from "./losses.js";
import { normalization } from "./normalization.js";
import { paddings } from "./padding.js";
import { pooling } from "./pooling.js";
import { recurrent } from "./recurrent.js";
import type { LayerRegistry } from "./types.js";
import { vision } from "./vision.js";

export const layers: LayerRegistry = {
  ...activations,
  ...attention,
  ...convolutions,
  ...dropouts,
  ...linear,
  ...losses,
  ...classLosses,
  ...distanceLosses,
  ...normalization,
  ...paddings,
  ...pooling,
  ...recurrent,
  ...vision,
};
