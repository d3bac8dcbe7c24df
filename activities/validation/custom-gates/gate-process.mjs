/**
 * The program that runs a module of gates, one task a process: it names the gates, or measures one. Plain JavaScript without
 * imports but Node's, since it may read no file but itself and the evidence (run-gate.ts). The module comes as text, so that
 * what runs is what was digested, whatever lies on the disk by now.
 */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** @typedef {import('./run-gate.ts').GateTask} GateTask */
/** @typedef {import('./run-gate.ts').GateEvidence} GateEvidence */
/** @typedef {{ readonly judges?: unknown, readonly measure?: unknown }} Entry */

/** What is asked of a value that is waited for, or written down. */
const ASKED_BY_ITSELF = new Set(['then', 'toJSON']);

/** @param {string} source @returns {Promise<Readonly<Record<string, unknown>>>} */
async function gatesOf(source) {
  const { gates } = await import(`data:text/javascript;base64,${Buffer.from(source).toString('base64')}`);
  if (typeof gates !== 'object' || gates === null) throw new TypeError('it exports no object `gates`');
  return gates;
}

/**
 * Of every gate what it judges. Whether that is a kind there is, whoever asks looks into.
 *
 * @param {string} source
 */
async function namesOf(source) {
  return Object.entries(await gatesOf(source)).map(([name, gate]) => {
    const { judges, measure } = /** @type {Entry} */ (typeof gate === 'object' && gate !== null ? gate : {});
    if (typeof measure !== 'function') throw new TypeError(`'${name}' is no { judges, measure }`);
    return { name, judges: String(judges) };
  });
}

/** @param {string} source @param {string} name @param {GateEvidence} evidence */
async function measured(source, name, evidence) {
  const gates = /** @type {Readonly<Record<string, { measure: (evidence: object) => unknown }>>} */ (
    await gatesOf(source)
  );
  return await gates[name]?.measure(given(evidence));
}

/** @param {GateEvidence} evidence */
function given({ judges, detailsFile, list, rowsFile, probabilitiesFile }) {
  /** @type {Record<string, any>} */
  const details = JSON.parse(readFileSync(detailsFile, 'utf8'));
  const measures = known(details['measures'], '`measures`');
  const rows = () => (rowsFile === undefined ? details[list] : linesOf(rowsFile));
  const width = details['labels']?.length ?? 0;
  const eachRow = () => (probabilitiesFile === undefined ? rows() : withNumbers(rows(), probabilitiesFile, width));
  return known(
    {
      ...details,
      judges,
      measures,
      eachRow: async function* each() {
        yield* eachRow();
      },
    },
    `the evidence of '${judges}'`,
  );
}

/**
 * Reading a name that is not there is an error: undefined compares as false with every threshold of the reader's.
 *
 * @param {object} values
 * @param {string} what
 */
function known(values, what) {
  return new Proxy(values, {
    get(target, name) {
      if (typeof name === 'symbol' || name in target) return Reflect.get(target, name);
      if (ASKED_BY_ITSELF.has(name)) return undefined;
      throw new ReferenceError(`${what} has no '${name}'; it has ${Object.keys(target).join(', ')}`);
    },
  });
}

/** @param {string} file @returns {AsyncGenerator<object>} */
async function* linesOf(file) {
  const handle = await open(file);
  try {
    for await (const line of handle.readLines()) if (line !== '') yield JSON.parse(line);
  } finally {
    await handle.close();
  }
}

/**
 * Each with its own `width` numbers of a file of 32-bit floats.
 *
 * @param {Iterable<object> | AsyncIterable<object>} rows @param {string} file @param {number} width
 */
async function* withNumbers(rows, file, width) {
  const handle = await open(file);
  try {
    const bytes = new Uint8Array(width * 4);
    for await (const row of rows) {
      const { bytesRead } = await handle.read(bytes, 0, bytes.length);
      if (bytesRead < bytes.length) throw new RangeError('the file of probabilities ends before the rows');
      yield { ...row, probabilities: [...new Float32Array(bytes.slice().buffer)] };
    }
  } finally {
    await handle.close();
  }
}

/** The module as an address is its whole text. @param {unknown} error */
function shown(error) {
  return String(error).replaceAll(/data:text\/javascript;base64,[A-Za-z0-9+/=]*/g, 'the module');
}

/** @param {object} message */
function send(message) {
  process.send?.(message, () => process.exit(0));
}

process.once('message', (/** @type {GateTask} */ task) => {
  const { source } = task;
  const answer = 'name' in task ? measured(source, task.name, task.evidence) : namesOf(source);
  answer
    .then((value) => ({ value }))
    .catch((error) => ({ problem: shown(error) }))
    .then(send)
    // What cannot be sent (a function, say) is no answer.
    .catch((error) => send({ problem: shown(error) }));
});
