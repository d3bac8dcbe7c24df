/**
 * A BERT as Google released it: its configuration is `bert_config.json`, and its tokenizer `vocab.txt` alone. Both are
 * made into what transformers saves (`config.json`, `tokenizer.json`), where those are not there.
 */
import { lstat, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { hasDuplicateKeys } from './duplicate-keys.ts';
import { boundsFault, MODEL_JSON } from './json-bounds.ts';
import { wordPieceTokenizer, type Normalising } from './word-piece-tokenizer.ts';

export const BERT_CONFIG = 'bert_config.json';
const CONFIG = 'config.json';
const VOCABULARY = 'vocab.txt';
const TOKENIZER = 'tokenizer.json';
const TOKENIZER_CONFIG = 'tokenizer_config.json';
const MAX_CONFIG_BYTES = 1_000_000;
const MAX_VOCABULARY_BYTES = 64_000_000;

export interface MadeFile {
  readonly path: string;
  readonly from: string;
}

/**
 * Makes what is missing of config.json and tokenizer.json in the folder, and removes bert_config.json where it was made
 * into config.json; gives what was made. Throws BadModel when what it is made of is not what Google's release has.
 */
export async function completeGoogleBert(folder: string): Promise<readonly MadeFile[]> {
  const made: MadeFile[] = [];
  if (!(await isThere(folder, CONFIG)) && (await isThere(folder, BERT_CONFIG))) {
    const given = await objectIn(folder, BERT_CONFIG);
    if (given['model_type'] !== undefined && given['model_type'] !== 'bert') {
      throw bad(BERT_CONFIG, `is of model_type ${JSON.stringify(given['model_type']).slice(0, 80)}, not of bert`);
    }
    const config = { architectures: ['BertModel'], ...given, model_type: 'bert' };
    await writeFile(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`, { flag: 'wx' });
    await rm(join(folder, BERT_CONFIG));
    made.push({ path: CONFIG, from: BERT_CONFIG });
  }
  if (!(await isThere(folder, TOKENIZER)) && (await isThere(folder, VOCABULARY))) {
    const settings = (await isThere(folder, TOKENIZER_CONFIG)) ? await objectIn(folder, TOKENIZER_CONFIG) : {};
    const vocabulary = textOf(await regularFile(folder, VOCABULARY, MAX_VOCABULARY_BYTES), VOCABULARY);
    const tokenizer = wordPieceTokenizer(vocabulary, normalising(settings));
    await writeFile(join(folder, TOKENIZER), `${JSON.stringify(tokenizer)}\n`, { flag: 'wx' });
    made.push({ path: TOKENIZER, from: VOCABULARY });
  }
  return made;
}

/** By the names that transformers gives them; null is as good as missing, and anything else is no answer to guess at. */
function normalising(settings: Readonly<Record<string, unknown>>): Normalising {
  const said = (name: string): boolean | undefined => {
    const value = settings[name] ?? undefined;
    if (value === undefined || typeof value === 'boolean') return value;
    throw bad(TOKENIZER_CONFIG, `has a ${name} that is neither true nor false`);
  };
  const [lowercase, stripAccents, handleChineseChars] = [
    said('do_lower_case'),
    said('strip_accents'),
    said('tokenize_chinese_chars'),
  ];
  return {
    ...(lowercase === undefined ? {} : { lowercase }),
    ...(stripAccents === undefined ? {} : { stripAccents }),
    ...(handleChineseChars === undefined ? {} : { handleChineseChars }),
  };
}

async function isThere(folder: string, name: string): Promise<boolean> {
  try {
    await lstat(join(folder, name));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function objectIn(folder: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await regularFile(folder, name, MAX_CONFIG_BYTES);
  const text = textOf(bytes, name);
  const fault = boundsFault(bytes, MODEL_JSON) ?? (hasDuplicateKeys(text) ? 'names a key twice' : null);
  if (fault !== null) throw bad(name, fault);
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    throw bad(name, 'is not a JSON object');
  }
}

async function regularFile(folder: string, name: string, maxBytes: number): Promise<Buffer> {
  const stat = await lstat(join(folder, name));
  if (!stat.isFile()) throw bad(name, 'is not a regular file');
  if (stat.size > maxBytes) throw bad(name, `has ${stat.size} bytes, more than the ${maxBytes} such a file may have`);
  return readFile(join(folder, name));
}

function textOf(bytes: Buffer, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw bad(name, 'is not UTF-8 text');
  }
}

function bad(name: string, fault: string): EspalierError {
  return new EspalierError('BadModel', `${name} ${fault}`, {
    where: name,
    fix: 'put the files of one of Google’s releases of BERT into the folder, or config.json and tokenizer.json (AutoTokenizer…save_pretrained)',
  });
}
