/**
 * One rule between field names and state-dict keys. A field in camelCase is spelled in snake_case
 * (`numBatchesTracked` and `num_batches_tracked`, `weightIhL0Reverse` and `weight_ih_l0_reverse`): each capital
 * becomes an underscore and its small letter. Every other name is the same on both sides: one that starts with a
 * capital (`W`, `LSTM`) or has an underscore inside (`fc_1`, `to_QKV`). Keys of containers are never changed.
 */

const CAMEL = /^_*[a-z][A-Za-z0-9]*$/;
const SNAKE = /^_*[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*$/;

const keys = new Map<string, string>();

/** The state-dict spelling of a field name. */
export function toKey(field: string): string {
  let key = keys.get(field);
  if (key === undefined) {
    key = CAMEL.test(field) ? field.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) : field;
    if (keys.size < 10_000) keys.set(field, key);
  }
  return key;
}

/** The field name of a state-dict key: the inverse of {@link toKey}. */
export function toField(key: string): string {
  return SNAKE.test(key) ? key.replace(/(?<=[a-z0-9])_([a-z])/g, (_, c: string) => c.toUpperCase()) : key;
}
