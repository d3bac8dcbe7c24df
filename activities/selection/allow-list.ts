/**
 * Which files of a downloaded model may come in. A name lets a file be considered; its content decides. Nothing is
 * executed or unpickled here or later: an encoder is loaded from safetensors, JSON and plain text; ONNX and images may
 * come along. A model of pictures may be a graph alone: `model.onnx` and how its pictures are prepared.
 */
import { lstat, open, readdir, readFile } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { collidingNames } from './colliding-names.ts';
import { hasDuplicateKeys } from './duplicate-keys.ts';
import { boundsFault, MODEL_JSON } from './json-bounds.ts';
import { checkOnnx } from './onnx-file.ts';
import { checkSafetensors, type SafetensorsSummary } from './safetensors.ts';

export interface QuarantinedFile {
  readonly path: string;
  readonly reason: string;
}
export interface InspectedModel {
  /** Relative, '/'-separated, sorted. */
  readonly accepted: readonly string[];
  readonly quarantined: readonly QuarantinedFile[];
  readonly weights: WeightsSummary;
}
export interface WeightsSummary {
  /** null: the weights are a graph's, which are counted when it is exported. */
  readonly parameters: number | null;
  readonly bytes: number;
}
/** What a model takes. */
export type ModelInput = 'text' | 'image';

type FileKind = 'weights' | 'json' | 'text' | 'onnx' | 'onnx data' | 'image';
export const WEIGHTS = 'model.safetensors';
/** In place of the weights, for a model of pictures. */
export const GRAPH = 'model.onnx';
const GRAPH_DATA = /^model\.onnx[._]data$/;
const PREPROCESSING = 'preprocessor_config.json';
const MB = 1_000_000;
const ONNX_DATA = /^(onnx\/)?[\w-]{1,80}\.onnx[._]data$/;

/** What a model of texts, one that writes too, needs to be loaded, understood and redistributed. The first pattern that fits decides. */
const ALLOWED: readonly (readonly [pattern: RegExp, kind: FileKind, maxBytes: number])[] = [
  [/^model\.safetensors$/, 'weights', Number.POSITIVE_INFINITY],
  [/^(config|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$/, 'json', 64 * MB],
  [/^tokenizer\.json$/, 'json', 128 * MB],
  [/^(modules|sentence_bert_config|config_sentence_transformers)\.json$/, 'json', MB],
  [/^\d{1,2}_(Pooling|Normalize|Dense)\/config\.json$/, 'json', MB],
  [/^(vocab|merges)\.txt$/, 'text', 64 * MB],
  // Looked at for the markers of a known chat format, and never run (workers/trainer, export_generator.py).
  [/^chat_template\.jinja$/, 'text', MB],
  [/^(README|MODEL_CARD)\.md$/i, 'text', 16 * MB],
  [
    /^(licenses\/)?(LICEN[CS]E|NOTICE|COPYING|COPYRIGHT|USE[_-]?POLICY)(-[\w.-]{1,40})?(\.(txt|md|rst))?$/i,
    'text',
    4 * MB,
  ],
  // A protobuf message, and with it an ONNX file, has 2 GB at most.
  [/^(onnx\/)?[\w-]{1,80}\.onnx$/, 'onnx', 2 ** 31],
  [ONNX_DATA, 'onnx data', Number.POSITIVE_INFINITY],
  [/^([\w-]{1,80}\/){0,3}[\w-]{1,80}\.(png|jpe?g|webp|bmp|gif|tiff?)$/i, 'image', 16 * MB],
];

/** What besides it a model of pictures needs. */
const ALLOWED_OF_PICTURES: typeof ALLOWED = [[/^preprocessor_config\.json$/, 'json', MB], ...ALLOWED];

/** What a picture's file begins with, by the extension it then has. */
const IMAGES: readonly (readonly [extension: RegExp, magic: RegExp])[] = [
  [/\.png$/i, /^\x89PNG\r\n\x1a\n/],
  [/\.jpe?g$/i, /^\xff\xd8\xff/],
  [/\.webp$/i, /^RIFF[\s\S]{4}WEBP/],
  [/\.bmp$/i, /^BM/],
  [/\.gif$/i, /^GIF8[79]a/],
  [/\.tiff?$/i, /^(II\*\0|MM\0\*)/],
];

/** Why names that are no surprise stay outside. The first pattern that fits decides. */
const REFUSED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /(^|\/)tf_model\.h5$/i,
    "holds TensorFlow weights, which are converted only where the candidate says convert: 'tensorflow' and has no model.safetensors",
  ],
  [
    /(^|\/)tf_model.*\.h5(\.index\.json)?$/i,
    "is a part of TensorFlow weights, which are converted only where the candidate says convert: 'tensorflow', tf_model.h5.index.json names all parts, and there is no model.safetensors nor tf_model.h5",
  ],
  [
    /^[^/]+\.(h5|keras)$/i,
    "holds weights of Keras, which are converted only where the candidate says convert: 'tensorflow', has no model.safetensors nor tf_model.h5, and they are the only ones",
  ],
  [/\.(h5|hdf5|keras)$/i, 'is a Keras file, of which only those beside config.json are converted'],
  [
    /\.ckpt(-\d+)?\.index$|\.data-\d+-of-\d+$|(^|\/)variables\/variables\.index$/i,
    "is of a TensorFlow checkpoint, which is converted only where the candidate says convert: 'tensorflow' and has no model.safetensors nor tf_model.h5",
  ],
  [/\.ckpt(-\d+)?\.meta$|(^|\/)checkpoint$/i, 'is of a TensorFlow checkpoint, and holds no weights'],
  [
    /(^|\/)(saved_model\.pbtxt|(saved_model|keras_metadata|fingerprint)\.pb)$/i,
    'is of a TensorFlow SavedModel, of which nothing is run: only its variables/variables.* are converted',
  ],
  [/\.msgpack(\.index\.json)?$/i, 'holds Flax weights, which are not converted'],
  [
    /-\d{5}-of-\d{5}\.(bin|pt|pth)$/i,
    "is a part of split torch weights, which are converted only where the candidate says convert: 'torch', pytorch_model.bin.index.json names all parts, and there is no model.safetensors nor pytorch_model.bin; it may hold a pickle, which runs code when it is opened",
  ],
  [
    /\.(pt|pth|bin|ckpt)\.tar$/i,
    'may hold a pickle, which runs code when it is opened (as model.pth a candidate may ask to convert it)',
  ],
  [/\.(bin|pt|pth|pkl|pickle|ckpt|joblib|npy|npz)$/i, 'may hold a pickle, which runs code when it is opened'],
  [/\.(py|pyc|so|dll|dylib|sh|js)$/i, 'is code'],
  [/\.svgz?$/i, 'may hold a script'],
  [/\.(ot|tflite|gguf|mlmodel|pb)$/i, 'is another format of the weights'],
  [
    /^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/i,
    'is of split weights, which are put together only where model.safetensors.index.json names all parts, and there is no model.safetensors',
  ],
  [/\.safetensors(\.index\.json)?$/i, 'is not the one weights file model.safetensors, nor a part of it'],
];

/** By its name alone: the kind of an acceptable file, or why it stays outside. */
export function judgeName(
  path: string,
  input: ModelInput = 'text',
): { readonly kind: FileKind; readonly maxBytes: number } | { readonly reason: string } {
  if (path.startsWith('/') || /(^|[/\\])\.\.([/\\]|$)|\\|\0/.test(path))
    return { reason: 'points outside the model folder' };
  const refused = REFUSED.find(([pattern]) => pattern.test(path));
  const list = input === 'image' ? ALLOWED_OF_PICTURES : ALLOWED;
  const allowed = path !== WEIGHTS && refused !== undefined ? undefined : list.find(([pattern]) => pattern.test(path));
  if (allowed !== undefined) return { kind: allowed[1], maxBytes: allowed[2] };
  return { reason: refused?.[1] ?? notNeeded(input) };
}

/** Of a file that the source has and nobody asked for. */
export function notNeeded(input: ModelInput): string {
  return `is not needed by a ${input === 'image' ? 'model of pictures' : 'model of texts'}`;
}

/** Whether a file of this name is one that an encoder is loaded from, understood by or redistributed with. */
export function isNeeded(path: string, input: ModelInput = 'text'): boolean {
  const verdict = judgeName(path, input);
  return 'kind' in verdict && ['weights', 'json', 'text'].includes(verdict.kind);
}

/** Whether one of `paths` is needed: of pictures, where there are no weights, the graph and its data are, too. */
export function neededOf(paths: readonly string[], input: ModelInput = 'text'): (path: string) => boolean {
  const isGraph = input === 'image' && !paths.includes(WEIGHTS);
  return (path) => isNeeded(path, input) || (isGraph && (path === GRAPH || GRAPH_DATA.test(path)));
}

/** Throws UnsafeModel when two of a model's files have one name where case or Unicode forms do not count. */
export function refuseCollidingNames(paths: readonly string[]): void {
  const names = collidingNames(paths);
  if (names === undefined) return;
  const [first, second] = names.map((name) => JSON.stringify(name));
  throw new EspalierError(
    'UnsafeModel',
    `${first} and ${second} are one name where case or Unicode forms do not count: which one is loaded would depend on the machine`,
    { where: names[1], fix: 'remove or rename one of the two' },
  );
}

/**
 * Sorts a folder's files into accepted and quarantined. Throws UnsafeModel when the weights are missing or unsound, names
 * collide or a config asks for the model's own code, BadModel when config.json or tokenizer.json (of pictures:
 * preprocessor_config.json) is missing.
 */
export async function inspectModelFolder(directory: string, input: ModelInput = 'text'): Promise<InspectedModel> {
  const accepted: string[] = [];
  const quarantined: QuarantinedFile[] = [];
  let weights: WeightsSummary | undefined;
  const paths = await listFiles(directory);
  refuseCollidingNames(paths);
  const externalData = new Set<string>();
  // Which data belongs to an ONNX file is known once all of these are read.
  const dataLast = paths.toSorted((left, right) => Number(ONNX_DATA.test(left)) - Number(ONNX_DATA.test(right)));
  for (const path of dataLast) {
    const verdict = judgeName(path, input);
    const reason =
      'reason' in verdict
        ? await reasonWithContent(directory, path, verdict.reason)
        : await contentFault(directory, path, verdict.kind, verdict.maxBytes, externalData);
    if (reason !== null) quarantined.push({ path, reason });
    else accepted.push(path);
    if (reason === null && path === WEIGHTS) weights = await soundWeights(directory);
  }
  const isGraph = input === 'image' && weights === undefined && accepted.includes(GRAPH);
  if (isGraph) weights = await graphWeights(directory, accepted);
  if (weights === undefined) throw noWeights(quarantined, input);
  for (const name of input === 'text'
    ? ['config.json', 'tokenizer.json']
    : [...(isGraph ? [] : ['config.json']), PREPROCESSING]) {
    if (accepted.includes(name)) continue;
    const fault = quarantined.find((file) => file.path === name)?.reason ?? 'is missing';
    throw new EspalierError('BadModel', `the model's ${name} ${fault}`, { where: name, fix: SAVE[input] });
  }
  const byPath = (left: QuarantinedFile, right: QuarantinedFile): number => (left.path < right.path ? -1 : 1);
  return { accepted: accepted.toSorted(), quarantined: quarantined.toSorted(byPath), weights };
}

const SAVE: Readonly<Record<ModelInput, string>> = {
  text: 'save model and fast tokenizer into one folder: AutoModel…save_pretrained(folder), AutoTokenizer…save_pretrained(folder)',
  image:
    'save model and image processor into one folder: AutoModel…save_pretrained(folder), AutoImageProcessor…save_pretrained(folder)',
};

async function graphWeights(directory: string, accepted: readonly string[]): Promise<WeightsSummary> {
  const files = accepted.filter((path) => path === GRAPH || GRAPH_DATA.test(path));
  const sizes = await Promise.all(files.map(async (path) => (await lstat(join(directory, path))).size));
  return { parameters: null, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Every entry that is not a directory, links included and not followed. */
export async function listFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .toSorted();
}

/** `externalData` collects the files that accepted ONNX files name. */
async function contentFault(
  directory: string,
  path: string,
  kind: FileKind,
  maxBytes: number,
  externalData: Set<string>,
): Promise<string | null> {
  const file = join(directory, path);
  const stat = await lstat(file);
  if (stat.isSymbolicLink()) return 'is a symbolic link';
  if (!stat.isFile()) return 'is not a regular file';
  if (stat.size > maxBytes) return `has ${stat.size} bytes, more than the ${maxBytes} such a file may have`;
  if (kind === 'weights') return null;
  const magic = await executableContent(file);
  if (magic !== null) return magic;
  if (kind === 'image') {
    const start = await beginning(file);
    return IMAGES.some(([extension, image]) => extension.test(path) && image.test(start))
      ? null
      : 'is not the kind of picture that its name says';
  }
  if (kind === 'onnx data') return externalData.has(path) ? null : 'belongs to no accepted ONNX file';
  if (kind === 'onnx') {
    const found = await checkOnnx(file);
    if ('fault' in found) return found.fault;
    const data = found.externalData.map((location) => posix.join(posix.dirname(path), location));
    const foreign = data.find((location) => !ONNX_DATA.test(location));
    if (foreign !== undefined) return `has external data in ${foreign}, which is not called ….onnx_data`;
    for (const location of data) externalData.add(location);
    return null;
  }
  const bytes = await readFile(file);
  const tooLarge = kind === 'json' ? boundsFault(bytes, MODEL_JSON) : null;
  if (tooLarge !== null) return tooLarge;
  const text = decodeText(bytes);
  if (text === null) return 'is not UTF-8 text';
  return kind === 'json' ? jsonFault(path, text) : null;
}

function jsonFault(path: string, text: string): string | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `is not JSON: ${(error as Error).message.slice(0, 120)}`;
  }
  // Two readers could take different ones of two equal keys: what was checked must be what is loaded.
  if (hasDuplicateKeys(text)) return 'names a key twice';
  // A vocabulary may hold any word as a key.
  const asks = /^(tokenizer|vocab|added_tokens)\.json$/.test(path) ? null : asksForCode(value);
  if (asks !== null) {
    throw new EspalierError('UnsafeModel', `${path} asks to run code that comes with the model (${asks})`, {
      where: path,
      fix: 'use a model whose architecture transformers has itself',
    });
  }
  return null;
}

const CODE_KEYS = ['auto_map', 'custom_pipelines', 'trust_remote_code'];

/** The key, at any depth, by which a config asks for the model's own code. The depth of the value is bounded. */
function asksForCode(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    const harmless = key === 'trust_remote_code' && (inner === false || inner === null);
    if (CODE_KEYS.includes(key) && !harmless && !Array.isArray(value)) return key;
    const found = asksForCode(inner);
    if (found !== null) return found;
  }
  return null;
}

function decodeText(bytes: Buffer): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}

/** Beginnings of files that run or hide code, whatever they are called. */
const MAGIC: readonly (readonly [prefix: RegExp, reason: string])[] = [
  [/^\x80[\x02-\x05]/, 'is a pickle, which runs code when it is opened'],
  [/^PK[\x03\x05]/, 'is a zip archive (as torch.save writes it), which may hold a pickle'],
  [/^(\x7fELF|MZ|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe|#!)/, 'is a program'],
  [/^(\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf)/, 'is a compressed archive'],
];

async function executableContent(path: string): Promise<string | null> {
  const start = await beginning(path);
  return MAGIC.find(([prefix]) => prefix.test(start))?.[1] ?? null;
}

/** The first bytes, one a character. */
async function beginning(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A refused name keeps its reason unless the content says something worse. */
async function reasonWithContent(directory: string, path: string, reason: string): Promise<string> {
  const stat = await lstat(join(directory, path));
  if (stat.isSymbolicLink()) return 'is a symbolic link';
  // A .keras is a zip archive by its name, too: that says more.
  const looks = stat.isFile() && !path.endsWith('.keras') ? await executableContent(join(directory, path)) : null;
  return looks ?? reason;
}

/** A sound header clears the file; an unsound one is explained by what the file really is, where that can be seen. */
async function soundWeights(directory: string): Promise<SafetensorsSummary> {
  const file = join(directory, WEIGHTS);
  try {
    return await checkSafetensors(file, WEIGHTS);
  } catch (error) {
    const magic = error instanceof EspalierError ? await executableContent(file) : null;
    if (magic === null) throw error;
    throw new EspalierError('UnsafeModel', `${WEIGHTS} ${magic}`, { where: WEIGHTS, fix: CONVERT, cause: error });
  }
}

const CONVERT =
  "convert it on a machine you trust with it: AutoModel.from_pretrained('<model>').save_pretrained('<folder>', max_shard_size='100GB'), which writes one model.safetensors (of TensorFlow or Flax weights: transformers 4 with from_tf=True or from_flax=True)";

/** The refusal of a model without acceptable weights: what was found, and the way out. */
export function noWeights(quarantined: readonly QuarantinedFile[], input: ModelInput = 'text'): EspalierError {
  const found = quarantined.map((file) => `${file.path} ${file.reason}`);
  const shown = found.length > 8 ? [...found.slice(0, 8), `and ${found.length - 8} more`] : found;
  return new EspalierError(
    'UnsafeModel',
    `no acceptable weights: ${WEIGHTS}${input === 'image' ? ` or ${GRAPH}` : ''} is needed; found ${shown.join('; ') || 'no file at all'}`,
    { where: WEIGHTS, fix: CONVERT },
  );
}
