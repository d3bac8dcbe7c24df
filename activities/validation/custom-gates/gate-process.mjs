/**
 * The program that runs a module of gates, one task a process: it names the gates, or measures one. Plain JavaScript without
 * imports but Node's, since it may read no file but itself and the evidence (run-gate.ts). The module comes as text, so that
 * what runs is what was digested, whatever lies on the disk by now.
 */
import { readFileSync, writeSync } from 'node:fs';
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

/** Where the answer goes: run-gate.ts reads one line. */
const ANSWER_PIPE = 3;
const MOST_WORDS = 300;
const PARTS = new Set(['value', 'interval', 'rows']);
const ENDS = new Set(['low', 'high', 'confidence']);

/**
 * The numbers of a score and nothing else: what a function gives may be of any size.
 *
 * @param {unknown} given
 */
function scoreOf(given) {
  const { value, interval, rows } = partsOf(given, PARTS, 'it');
  const none = interval === undefined || interval === null;
  const { low, high, confidence } = none ? {} : partsOf(interval, ENDS, 'the interval');
  return {
    value: value === null ? null : numberOf(value, 'value'),
    interval: none
      ? null
      : {
          low: numberOf(low, 'interval.low'),
          high: numberOf(high, 'interval.high'),
          ...(confidence === undefined ? {} : { confidence: numberOf(confidence, 'interval.confidence') }),
        },
    ...(rows === undefined ? {} : { rows: numberOf(rows, 'rows') }),
  };
}

/** @param {unknown} given @param {ReadonlySet<string>} names @param {string} what @returns {Record<string, unknown>} */
function partsOf(given, names, what) {
  const expected = `an object of ${[...names].join(', ')}`;
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`${what} is ${given === null ? 'null' : typeof given}; expected ${expected}`);
  }
  for (const name in given) if (!names.has(name)) throw new TypeError(`${what} has '${name}'; expected ${expected}`);
  return /** @type {Record<string, unknown>} */ (given);
}

/** @param {unknown} given @param {string} what */
function numberOf(given, what) {
  if (typeof given === 'number' && Number.isFinite(given)) return given;
  throw new TypeError(`${what} is ${typeof given === 'number' ? given : typeof given}; expected a finite number`);
}

/** The module as an address is its whole text. @param {unknown} error */
function shown(error) {
  return String(error)
    .replaceAll(/data:text\/javascript;base64,[A-Za-z0-9+/=]*/g, 'the module')
    .slice(0, MOST_WORDS);
}

async function taskOf() {
  process.stdin.setEncoding('utf8');
  let text = '';
  for await (const part of process.stdin) text += part;
  return /** @type {GateTask} */ (JSON.parse(text));
}

/** @param {object} answer */
function write(answer) {
  const line = Buffer.from(`${JSON.stringify(answer)}\n`);
  for (let at = 0; at < line.length;) at += writeSync(ANSWER_PIPE, line, at);
  process.exit(0);
}

try {
  const task = await taskOf();
  const { source } = task;
  write({ value: 'name' in task ? scoreOf(await measured(source, task.name, task.evidence)) : await namesOf(source) });
} catch (error) {
  write({ problem: shown(error) });
}
