/** The data door: datasets, samplers, DataLoader, MNIST. */
export {
  ChainDataset,
  ConcatDataset,
  Dataset,
  IterableDataset,
  randomSplit,
  StackDataset,
  Subset,
  TensorDataset,
} from "./dataset.js";
export {
  type Collated,
  DataLoader,
  type DataLoaderOptions,
  type DataSource,
  defaultCollate,
} from "./loader.js";
export { type ImagesAndLabels, readIdx, readMnist } from "./mnist.js";
export {
  BatchSampler,
  RandomSampler,
  type RandomSamplerOptions,
  Sampler,
  SequentialSampler,
  type Sized,
  SubsetRandomSampler,
  WeightedRandomSampler,
} from "./sampler.js";
