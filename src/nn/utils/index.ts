/** Utilities around modules (`torch.nn.utils`). */
export * as rnn from "./rnn.js";
