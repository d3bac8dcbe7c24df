/**
 * Where the numbers of a page come from, found by experiment: one figure of the artifacts is changed, the page is made again,
 * and a number that moved with it, and that reads as this figure or as a rounding of it in another unit, comes from there.
 */
import { isDigest, shortDigest } from '../../artifacts/reference.ts';

/** A piece of text between two tags of a page. */
export interface Piece {
  /** The section's id; the empty text before the first. */
  readonly section: string;
  /** Of a table or a list what heads it, and its row. */
  readonly heading: string;
  readonly text: string;
  /** A label of a drawing's scale. */
  readonly tick: boolean;
}

export interface Figure {
  readonly piece: Piece;
  /** As it stands on the page, without the spaces that group its digits. */
  readonly text: string;
}

/** A figure and the path of what it shows: `facts.gates.gates[3].measured`. */
export interface TracedFigure extends Figure {
  readonly from: string | null;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};
const plain = (text: string): string =>
  text
    .replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity)
    .replaceAll(/[ \n]+/g, ' ')
    .trim();

/** The pieces of a page's body in their order; what a screen reader is told of a drawing is one of them. */
export function piecesOf(page: string): readonly Piece[] {
  const body = page.slice(Math.max(0, page.indexOf('<body>')));
  const pieces: Piece[] = [];
  let [section, caption, row, tick] = ['', '', '', false];
  for (const [, markup = '', text = ''] of body.matchAll(/<([^>]*)>([^<]*)/g)) {
    const tag = markup.trim().replaceAll(/\s+/g, ' ');
    section = /^section id="([\w-]+)"/.exec(tag)?.[1] ?? section;
    tick = tag.startsWith('g ') ? tag.includes('class="ticks"') : tag === '/g' ? false : tick;
    const words = plain(text);
    if (/^(caption|dl)\b/.test(tag)) [caption, row] = [words, ''];
    if (/^(dt|th scope="row")/.test(tag)) row = words;
    if (words !== '') pieces.push({ section, heading: [caption, row].filter(Boolean).join(' / '), text: words, tick });
  }
  return pieces;
}

/** The lines of a text that has its markup in itself. `section`: its name. */
export function linesOf(section: string, markdown: string): readonly Piece[] {
  return markdown
    .split('\n')
    .flatMap((line) => (line.trim() === '' ? [] : [{ section, heading: '', text: line.trim(), tick: false }]));
}

// A blank or a comma sets groups of three digits apart.
const NUMBER = /(?<![\d.])\d{1,3}(?:[ ,]\d{3})+(?![\d.])|\d+(?:\.\d+)?(?:e[+-]?\d+)?/gu;
const numbersIn = (text: string): readonly string[] =>
  [...text.matchAll(NUMBER)].map(([number]) => number.replaceAll(/[ ,]/g, ''));

/** Every number of the pieces, those within a name or a digest included. */
export const figuresOf = (pieces: readonly Piece[]): readonly Figure[] =>
  pieces.flatMap((piece) => numbersIn(piece.text).map((text) => ({ piece, text })));

type Path = readonly (string | number)[];
interface Leaf {
  readonly path: Path;
  readonly value: number | string | readonly unknown[];
}

/** Every number, text and list of an artifact, in its order. */
function leavesOf(value: unknown, path: Path = []): readonly Leaf[] {
  if (typeof value === 'number' || typeof value === 'string') return [{ path, value }];
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.entries(value).flatMap(([key, one]) =>
    leavesOf(one, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return Array.isArray(value) ? [...inside, { path, value }] : inside;
}

function changedAt(root: unknown, [key, ...rest]: Path, to: unknown): unknown {
  if (key === undefined) return to;
  if (Array.isArray(root)) return root.map((one: unknown, place) => (place === key ? changedAt(one, rest, to) : one));
  const record = root as Readonly<Record<string, unknown>>;
  return { ...record, [key]: changedAt(record[key], rest, to) };
}

const written = (path: Path): string =>
  path.reduce<string>((text, key) => text + (typeof key === 'number' ? `[${key}]` : text === '' ? key : `.${key}`), '');

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

/** Other values for a leaf: near ones first, since far ones may be no run at all. */
function othersFor(value: Leaf['value']): readonly unknown[] {
  if (Array.isArray(value)) return value.length === 0 ? [] : [value.slice(0, -1)];
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return [value + 1, Math.max(0, value - 1), value + 1009, value * 3 + 7];
    return [value * 0.83, value * 1.37, value * 0.31 + 0.017, value * 7];
  }
  if (typeof value !== 'string') return [];
  if (ISO.test(value)) return [new Date(Date.parse(value) + 1000 * (400 * 86_400 + 7200 + 180 + 7)).toISOString()];
  const other = value.replaceAll(/(?<!^sha\d*)\d/g, (digit) => String((Number(digit) + 3) % 10));
  return other === value ? [] : [other];
}

/** The units in which a page shows what is kept: percent and points, thousands to thousand millions. */
const UNITS = [1, 100, 1e-3, 1e-6, 1e-9];

/** Whether a number on a page is this figure, rounded, in one of the units, as a time in hours, minutes and seconds, or as the length of a list. */
function shows(text: string, value: Leaf['value']): boolean {
  if (typeof value === 'string') return numbersOf(value).includes(text);
  const number = Number(text);
  if (Array.isArray(value)) return number === value.length;
  return reads(text, value as number);
}

/** A text's own, a time's parts, and of a digest those of its short form as well. */
function numbersOf(text: string): readonly string[] {
  const also = ISO.test(text) ? text.split(/\D+/) : isDigest(text) ? numbersIn(shortDigest(text)) : [];
  return [...numbersIn(text), ...also];
}

/** Whether a number as a page has it is this one, rounded, in one of the units of `UNITS` or as a time. */
export function reads(text: string, value: number): boolean {
  const [number, size] = [Math.abs(Number(text)), Math.abs(value)];
  if (UNITS.some((unit) => rounds(text, number, size * unit))) return true;
  const minutes = Math.floor(size / 60);
  return size >= 60 && [minutes, Math.floor(size % 60), Math.floor(minutes / 60), minutes % 60].includes(number);
}

/** By the digits that are written: half of the last one is what rounding may take. */
function rounds(text: string, shown: number, value: number): boolean {
  const [digits = '', power = '0'] = text.split('e');
  const last = 10 ** (Number(power) - (digits.split('.')[1]?.length ?? 0));
  // Three significant digits of a number above a thousand, or of one whose last are noughts.
  return Math.abs(shown - value) <= last / 2 + 1e-9 * value || Number(value.toPrecision(3)) === shown;
}

/** Which pieces of `before` are in `after` no more, and what stands in their place where that is one piece. */
function moved(before: readonly Piece[], after: readonly Piece[]): readonly (readonly [number, Piece | undefined])[] {
  const same = (a: number, b: number): boolean => before[a]!.text === after[b]!.text;
  let [from, end, other] = [0, before.length, after.length];
  while (from < end && from < other && same(from, from)) from++;
  while (end > from && other > from && same(end - 1, other - 1)) [end, other] = [end - 1, other - 1];
  const places = Array.from({ length: end - from }, (_, place) => from + place);
  if (end === other)
    return places.filter((place) => !same(place, place)).map((place) => [place, after[place]] as const);
  // Lines came or went: what is in the longest common subsequence has stayed.
  const [rows, columns] = [end - from, other - from];
  const longest = Array.from({ length: rows + 1 }, () => new Uint32Array(columns + 1));
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      longest[row]![column] = same(from + row, from + column)
        ? longest[row + 1]![column + 1]! + 1
        : Math.max(longest[row + 1]![column]!, longest[row]![column + 1]!);
    }
  }
  const gone: (readonly [number, undefined])[] = [];
  for (let [row, column] = [0, 0]; row < rows;) {
    if (column < columns && same(from + row, from + column)) [row, column] = [row + 1, column + 1];
    else if (column < columns && longest[row]![column + 1]! >= longest[row + 1]![column]!) column++;
    else gone.push([from + row++, undefined]);
  }
  return gone;
}

/** A part of a page, made of artifacts alone. */
export type Part<Artifacts> = (artifacts: Artifacts) => readonly Piece[];

/**
 * Each figure of the page's parts with where it comes from; null where no change of one value moves it as that value. A
 * change that leaves nothing that can be shown (a part throws) tells nothing. `known`: figures that nothing is asked of.
 */
export function trace<Artifacts extends object>(
  parts: readonly Part<Artifacts>[],
  artifacts: Artifacts,
  known: (figure: Figure) => boolean = () => false,
): readonly TracedFigure[] {
  const leaves = leavesOf(artifacts);
  return parts.flatMap((part) => tracePart(part, artifacts, leaves, known));
}

function tracePart<Artifacts extends object>(
  part: Part<Artifacts>,
  artifacts: Artifacts,
  leaves: readonly Leaf[],
  known: (figure: Figure) => boolean,
): readonly TracedFigure[] {
  const read = new Set<string>();
  const pieces = part(recorded(artifacts, [], read));
  const byPiece = pieces.map((piece) =>
    figuresOf([piece]).map((figure) => ({ ...figure, from: null as string | null, known: known(figure) })),
  );
  const open = () => byPiece.flat().filter((figure) => figure.from === null && !figure.known);
  for (const { path, value } of leaves) {
    if (!read.has(written(path)) || !open().some(({ text }) => shows(text, value))) continue;
    let found = false;
    for (const other of othersFor(value)) {
      const after = rendered(part, changedAt(artifacts, path, other) as Artifacts);
      if (after === null) continue;
      const changes = moved(pieces, after);
      for (const [place, now] of changes) {
        for (const figure of movedFigures(byPiece[place]!, now === undefined ? [] : numbersIn(now.text))) {
          if (figure.from !== null || !shows(figure.text, value)) continue;
          figure.from = written(path);
          found = true;
        }
      }
      // What moves otherwise than as this value is not it.
      if (changes.length > 0 && !found) break;
    }
  }
  return byPiece.flat().filter((figure) => !figure.known);
}

/** The same to read, and what is read of it. */
function recorded<Value extends object>(value: Value, path: Path, read: Set<string>): Value {
  const inside = new Map<string, object>();
  return new Proxy(value, {
    get(target, key) {
      const one: unknown = Reflect.get(target, key);
      if (typeof key === 'symbol' || typeof one === 'function') return one;
      const place = [...path, Array.isArray(target) ? Number(key) : key];
      read.add(written(place));
      if (typeof one !== 'object' || one === null) return one;
      const again = inside.get(key) ?? recorded(one, place, read);
      inside.set(key, again);
      return again;
    },
  });
}

/** All but those at the begin and the end that are still there. */
function movedFigures<One extends Figure>(before: readonly One[], after: readonly string[]): readonly One[] {
  let [from, end, other] = [0, before.length, after.length];
  while (from < end && from < other && before[from]!.text === after[from]) from++;
  while (end > from && other > from && before[end - 1]!.text === after[other - 1]) [end, other] = [end - 1, other - 1];
  return before.slice(from, end);
}

function rendered<Artifacts>(part: Part<Artifacts>, artifacts: Artifacts): readonly Piece[] | null {
  try {
    return part(artifacts);
  } catch {
    return null;
  }
}
