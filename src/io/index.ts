/** The door to files: safetensors, checkpoints. */
export {
  type CheckpointOptions,
  type CheckpointParts,
  loadCheckpoint,
  packCheckpoint,
  type Stateful,
  saveCheckpoint,
  unpackCheckpoint,
} from "./checkpoint.js";
export { load, loadFile, loadMetadata, save, saveFile } from "./safetensors.js";
