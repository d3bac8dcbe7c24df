/**
 * Recognises a licence by its text: normalised words in overlapping windows, compared with the texts that are shipped.
 * It is that licence only when nothing was added to it and nothing was left out; else the differing lines are shown.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestBytes } from '../../artifacts/digest.ts';
import { packageRoot } from '../load.ts';
import type { LicenceText } from './decision.ts';

/** Words a window: short enough to survive a new line break, long enough that a moved "not" is seen. */
const WINDOW = 4;
/** Below it two texts have only legal language in common. */
const NEAR = 0.5;
const MAX_DIFFERENCES = 20;
/** The longest text that is shipped has 36 KB. */
const MAX_CHARACTERS = 256 * 1024;

/** The id of the table's row, where a shipped text's file has another name. */
const TEXT_OF: Readonly<Record<string, string>> = {
  'bsd-new': 'bsd-3-clause',
  'bigcode-open-rail-m-v1': 'bigcode-openrail-m',
  'bigscience-open-rail-m': 'bigscience-openrail-m',
  'bigscience-open-rail-m2': 'openrail++',
  'bigscience-rail-1.0': 'bigscience-bloom-rail-1.0',
  'c-uda-1.0': 'c-uda',
  'deepseek-la-1.0': 'deepseek',
  'exaone-ai-model-1.1-nc': 'exaone-1.1-nc',
  'falcon-2-11b-1.0': 'falcon-2-11b',
  'flux-1-nc': 'flux-1-dev-nc',
  'gemma-tou-2024-04-01': 'gemma',
  'gemma-tou-2025-03-24': 'gemma',
  'llama-2-license-2023': 'llama2',
  'llama-3.1-license-2024': 'llama3.1',
  'llama-3.2-license-2024': 'llama3.2',
  'llama-3.3-license-2024': 'llama3.3',
  'llama-4-cla-2025': 'llama4',
  'llama-license-2023': 'llama-license',
  'moonshot-ai-modified-mit-2025': 'kimi-modified-mit',
  'nvidia-open-model-2025-04-28': 'nvidia-open-model',
  'pddl-1.0': 'pddl',
  'qwen-2024': 'qwen',
  'stability-ai-community-2024': 'stability-ai-community',
  'stability-ai-nc-2023-12-06': 'stability-ai-nc',
  'stable-diffusion-2022-08-22': 'creativeml-openrail-m',
  'tencent-hunyuan-3d-2.0-cla': 'tencent-hunyuan3d',
  'tongyi-qianwen-2023': 'tongyi-qianwen',
};

interface Known {
  readonly licence: string;
  readonly words: Words;
  readonly windows: ReadonlySet<string>;
}
interface Words {
  readonly list: readonly string[];
  /** The line of each word, and the lines. */
  readonly lineOf: readonly number[];
  readonly lines: readonly string[];
}

/** Headings, and who holds the copyright since when: they say nothing about the terms. */
const HEADING =
  /^(the )?(mit|isc|(simplified |new |modified |revised )?bsd( [23] clause)?|apache|gnu (lesser |affero )?general public|creative commons( legal code)?)( licen[cs]e)?( mit)?( version [\d .]+)?( \w+ \d{4})?(?=$| copyright)/;
const RESTRICTING =
  /\b(not?|non|only|commercial\w*|may|must|shall|permi\w*|us(e|es|ing)|prohibit\w*|except\w*|purposes?|licen[cs]\w*|grant\w*|provided|without)\b/;

const LIST_MARK = /^\s*(?:\(?[0-9a-z]{1,2}[.)]|[*•-])\s+/;

function isPreamble(words: string): boolean {
  const rest = words.replace(HEADING, '').trim();
  if (rest === '') return true;
  const holder = /^(?:portions )?(?:copyright (?=c |\d{4}|by |yyyy|year)|c \d{4}|all rights reserved)(.*)$/.exec(
    rest,
  )?.[1];
  return holder !== undefined && holder.split(' ').length <= 20 && !RESTRICTING.test(holder);
}

function wordsOf(text: string): Words {
  const lines = text.slice(0, MAX_CHARACTERS).split(/\r\n?|\n/);
  const list: string[] = [];
  const lineOf: number[] = [];
  for (const [line, raw] of lines.entries()) {
    const words = raw
      .normalize('NFKC')
      .toLowerCase()
      .replace(LIST_MARK, '')
      .replaceAll(/[^\p{L}\p{N}.]+|\.(?!\d)|(?<!\d)\./gu, ' ')
      .trim();
    if (isPreamble(words)) continue;
    for (const word of words.split(/ +/)) {
      list.push(word);
      lineOf.push(line);
    }
  }
  return { list, lineOf, lines };
}

/** The window that begins at each word; those at the end are shorter. */
function windowsOf({ list }: Words): readonly string[] {
  return list.map((_, at) => list.slice(at, at + WINDOW).join(' '));
}

let shipped: readonly Known[] | undefined;

function knownTexts(): readonly Known[] {
  const folder = join(packageRoot(), 'pipelines', 'licence', 'texts');
  return (shipped ??= readdirSync(folder).map((file) => {
    const words = wordsOf(readFileSync(join(folder, file), 'utf8'));
    const name = file.replace(/\.txt$/, '');
    return { licence: TEXT_OF[name] ?? name, words, windows: new Set(windowsOf(words)) };
  }));
}

/** Policies that a licence refers to, as texts of their own. */
const POLICY_OF: Readonly<Record<string, string>> = { gemma: 'gemma-pup-2024-02-21', llama4: 'llama-4-license-2025' };

/** The texts of a licence as they are shipped, by file name, the newest version of it first; none where none is known. */
export function shippedTexts(licence: string): readonly { readonly file: string; readonly text: string }[] {
  const folder = join(packageRoot(), 'pipelines', 'licence', 'texts');
  const names = readdirSync(folder).map((file) => file.replace(/\.txt$/, ''));
  const versions = names.filter((name) => (TEXT_OF[name] ?? name) === licence).toSorted();
  const wanted = [versions.at(-1), POLICY_OF[licence]].filter((name) => name !== undefined);
  return wanted.map((name) => ({
    file: `${name}.txt`,
    text: readFileSync(join(folder, `${name}.txt`), 'utf8'),
  }));
}

/** What of a text may be left out: instructions that follow the terms. */
const INSTRUCTIONS =
  /^(end of terms and conditions|appendix how to apply|how to apply these terms|creative commons is not a party)/;

export function recogniseText(path: string, text: string): LicenceText {
  const words = wordsOf(text);
  const windows = windowsOf(words);
  const found = new Set(windows);
  let nearest: { known: Known; similarity: number } | undefined;
  for (const known of knownTexts()) {
    let common = 0;
    for (const window of found) if (known.windows.has(window)) common += 1;
    const similarity = found.size === 0 ? 0 : (2 * common) / (found.size + known.windows.size);
    if (similarity > (nearest?.similarity ?? NEAR)) nearest = { known, similarity };
  }
  const digest = digestBytes(text);
  if (nearest === undefined) return { path, digest, licence: null, same: false, similarity: 0, differences: [] };
  const { known, similarity } = nearest;
  const added = novelLines(words, windows, known.windows);
  const terms = mandatory(known.words);
  const missing = novelLines(terms, windowsOf(known.words).slice(0, terms.list.length), found);
  const same = added.length === 0 && missing.length === 0 && text.length <= MAX_CHARACTERS;
  const differences = [...added.map((line) => `+ ${line}`), ...missing.map((line) => `- ${line}`)];
  return {
    path,
    digest,
    licence: known.licence,
    same,
    similarity: Math.round(similarity * 1e4) / 1e4,
    differences: differences.slice(0, MAX_DIFFERENCES),
  };
}

function mandatory(words: Words): Words {
  const { list } = words;
  const end = list.findIndex((_, at) => INSTRUCTIONS.test(list.slice(at, at + 6).join(' ')));
  return end === -1 ? words : { ...words, list: list.slice(0, end) };
}

/**
 * Lines with words that the other text does not have there: of a run of strange windows, the words that all of them
 * share, or the first word after a gap. The last windows reach over the end and are no evidence.
 */
function novelLines(
  { list, lineOf, lines }: Words,
  windows: readonly string[],
  other: ReadonlySet<string>,
): readonly string[] {
  const at = new Set<number>();
  const last = Math.min(windows.length, Math.max(1, list.length - WINDOW + 1));
  for (let from = 0; from < last; from += 1) {
    if (other.has(windows[from] ?? '')) continue;
    let to = from;
    while (to + 1 < last && !other.has(windows[to + 1] ?? '')) to += 1;
    const first = from === 0 ? 0 : Math.min(from + WINDOW - 1, list.length - 1);
    const end = to === last - 1 ? list.length - 1 : Math.max(first, to);
    for (let word = first; word <= end; word += 1) at.add(lineOf[word] ?? 0);
    from = to;
  }
  return [...at].map((line) => (lines[line] ?? '').trim().slice(0, 300));
}
