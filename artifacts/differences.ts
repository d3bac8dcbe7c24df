/** What differs between two plain values, leaf by leaf. */

export interface Difference {
  /** Dotted, with array indexes: `input.training.learningRate`, `input.files[0].ref`. */
  readonly path: string;
  /** Absent on a side where the value is missing. */
  readonly from?: unknown;
  readonly to?: unknown;
}

/** Every leaf that `to` has otherwise than `from`, in the order of `to`; what only `from` has comes last in its object. */
export function differences(from: unknown, to: unknown, path = ''): readonly Difference[] {
  if (Object.is(from, to)) return [];
  if (isBranch(from) && isBranch(to) && Array.isArray(from) === Array.isArray(to)) {
    const names = [...new Set([...Object.keys(to), ...Object.keys(from)])];
    return names.flatMap((name) => differences(from[name], to[name], join(path, name, Array.isArray(to))));
  }
  return [{ path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }];
}

function isBranch(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function join(path: string, name: string, isIndex: boolean): string {
  if (isIndex) return `${path}[${name}]`;
  return path === '' ? name : `${path}.${name}`;
}
