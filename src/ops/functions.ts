/** Op functions that are not methods: their first argument is no tensor, or the method takes other arguments. */
export { isin } from "./compare.js";
export { binomial, normal, poisson } from "./random.js";
export { where } from "./where.js";
