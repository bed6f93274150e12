/** The door to files: safetensors. */
export { load, loadFile, loadMetadata, save, saveFile } from "./safetensors.js";
