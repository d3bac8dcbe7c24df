/**
 * Open Inference Protocol V2 over HTTP, for models that take texts or pictures and give a label and class probabilities. Pure:
 * bytes in, checked request out; predictions in, bytes out. With the binary tensor extension (what `tritonclient` sends
 * by default): `Inference-Header-Content-Length` JSON bytes, then the tensors' bytes.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 */
import { Buffer } from 'node:buffer';
import { z } from 'zod';
import { MOST_NEIGHBOURS } from '../artifacts/bundle.ts';
import { textInput, type TextInput } from '../inference/texts.ts';
import { readBytesTensor, TensorSchema, type RawTensor } from './bytes-tensor.ts';
import { ProtocolError } from './protocol-error.ts';
import { encodeBytesTensor, encodeFloats } from './tensors.ts';

/** Texts a request: a larger one belongs into several, so that others are not kept waiting. */
export const MAX_ROWS = 1024;
/** Of a model that tells labels apart. */
export const LABEL_OUTPUTS = ['label', 'probabilities'] as const;
/** Of one that gives a text none, one or several labels: the JSON of their list a row. */
const SEVERAL_OUTPUTS = ['labels', 'probabilities'] as const;

export interface AskedRequest {
  readonly id: string | undefined;
  /** false (`parameters.espalier_record`): not traffic but a check, kept out of the prediction log. */
  readonly record: boolean;
  /** In the order asked for. */
  readonly outputs: readonly { readonly name: string; readonly binary: boolean }[];
}

export interface InferRequest extends AskedRequest {
  readonly texts: readonly TextInput[];
}

/** A tensor, and the bytes behind the JSON that are its own. */
export interface GivenInput {
  readonly tensor: RawTensor;
  readonly binary: Buffer;
}

/** What a kind of model may be given and asked for, and how that is told to whoever sends something else. */
export interface Protocol {
  readonly inputs: readonly string[];
  readonly says: string;
  readonly outputs: readonly string[];
}

const TEXTS: Protocol = {
  inputs: ['text', 'pair'],
  says: "a model of texts takes 'text', and one of pairs 'pair' beside it",
  outputs: LABEL_OUTPUTS,
};
const TEXTS_OF_SEVERAL_LABELS: Protocol = { ...TEXTS, outputs: SEVERAL_OUTPUTS };

export interface Predictions {
  /** A row each; of a model of several labels (`several`) the JSON of their list. */
  readonly labels: readonly string[];
  readonly several?: boolean;
  /** Row-major [rows, classes]. */
  readonly probabilities: Float32Array;
  readonly classes: number;
}

/** A tensor of an answer, row-major. */
export type OutputTensor =
  | { readonly datatype: 'BYTES'; readonly shape: readonly number[]; readonly data: readonly string[] }
  | { readonly datatype: 'FP32'; readonly shape: readonly number[]; readonly data: Float32Array };

const parameters = z.record(z.string(), z.unknown()).optional();
const RequestSchema = z.looseObject({
  id: z.string().max(256).optional(),
  parameters,
  inputs: z.array(TensorSchema).min(1),
  outputs: z.array(z.looseObject({ name: z.string(), parameters })).optional(),
});

/**
 * Reads an infer request of texts. `headerLength` is `Inference-Header-Content-Length`, if sent; `several`: the model gives a text
 * any number of labels. Throws ProtocolError 400.
 */
export function parseInferRequest(body: Buffer, headerLength?: string, several = false): InferRequest {
  const protocol = several ? TEXTS_OF_SEVERAL_LABELS : TEXTS;
  const { inputs, parameters: _, ...asked } = readRequest(body, headerLength, protocol);
  return { ...asked, texts: readTextInputs(inputs) };
}

/** The same of any kind of model, up to the values of its inputs. */
export function readRequest(
  body: Buffer,
  headerLength: string | undefined,
  protocol: Protocol,
): AskedRequest & {
  readonly inputs: ReadonlyMap<string, GivenInput>;
  readonly parameters: Readonly<Record<string, unknown>>;
} {
  const jsonBytes = headerLength === undefined ? body.length : Number(headerLength);
  if (!Number.isSafeInteger(jsonBytes) || jsonBytes < 0 || jsonBytes > body.length) {
    throw bad(`Inference-Header-Content-Length is '${headerLength}', but the body has ${body.length} bytes`);
  }
  const request = parseJson(body.subarray(0, jsonBytes));
  const parsed = RequestSchema.safeParse(request);
  if (!parsed.success) {
    throw bad(
      parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the request'}: ${issue.message}`).join('; '),
    );
  }
  const { id, inputs } = parsed.data;
  const given = readInputs(inputs, body.subarray(jsonBytes), protocol);
  const asked = parsed.data.parameters ?? {};
  const binaryByDefault = asked['binary_data_output'] === true;
  const record = asked['espalier_record'] !== false;
  const outputs = requestedOutputs(parsed.data.outputs, binaryByDefault, protocol);
  return { id, record, outputs, inputs: given, parameters: asked };
}

/** The tensors' bytes follow the JSON in the order of the inputs. */
function readInputs(
  inputs: readonly RawTensor[],
  binary: Buffer,
  { inputs: names, says }: Protocol,
): ReadonlyMap<string, GivenInput> {
  const given = new Map<string, GivenInput>();
  let at = 0;
  for (const [place, tensor] of inputs.entries()) {
    const { name } = tensor;
    if (!names.includes(name)) throw bad(`unexpected input '${name}': ${says}`);
    if (given.has(name)) throw bad(`input '${name}' is given twice`);
    const size = tensor.parameters?.['binary_data_size'];
    // The last input has all that is left: what is too much for it is then refused with it.
    const isLast = place === inputs.length - 1;
    const end = isLast ? binary.length : at + (typeof size === 'number' && size >= 0 ? size : 0);
    given.set(name, { tensor, binary: binary.subarray(at, end) });
    at = end;
  }
  return given;
}

/** Throws ProtocolError 400. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw bad(`the request is not JSON: ${(error as Error).message}`);
  }
}

/** `text`, and `pair` beside it for a model of pairs. */
function readTextInputs(inputs: ReadonlyMap<string, GivenInput>): readonly TextInput[] {
  const read = (name: string) => {
    const given = inputs.get(name);
    return given === undefined ? undefined : readTexts(given);
  };
  const [texts, pairs] = [read('text'), read('pair')];
  if (texts === undefined) throw bad("input 'text' is missing");
  if (pairs !== undefined && pairs.length !== texts.length) {
    throw bad(`input 'pair' has ${pairs.length} rows, input 'text' ${texts.length}`);
  }
  return texts.map((text, row) => textInput(text, pairs?.[row]));
}

/** Throws ProtocolError 400 where a model of pairs is asked one text a row, or another model two. */
export function requireTexts(texts: readonly TextInput[], pairs: boolean): void {
  const given = typeof texts[0] !== 'string';
  if (given === pairs) return;
  throw bad(
    pairs
      ? "input 'pair' is missing: this model takes two texts a row, 'text' and 'pair'"
      : "unexpected input 'pair': this model takes one input, 'text'",
  );
}

function readTexts({ tensor: input, binary }: GivenInput): readonly string[] {
  const { strings, elements } = readBytesTensor(input, binary, MAX_ROWS);
  if (strings !== undefined) return strings;
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return elements.map((bytes, row) => {
    try {
      return utf8.decode(bytes);
    } catch {
      throw bad(`input '${input.name}': element ${row} is not UTF-8`);
    }
  });
}

function requestedOutputs(
  requested: z.output<typeof RequestSchema>['outputs'],
  binaryByDefault: boolean,
  { outputs: given }: Protocol,
): AskedRequest['outputs'] {
  if (requested === undefined || requested.length === 0) {
    return given.map((name) => ({ name, binary: binaryByDefault }));
  }
  const named = new Set<string>();
  return requested.map(({ name, parameters: asked }) => {
    if (named.has(name)) throw bad(`output '${name}' is asked for twice`);
    named.add(name);
    if (!given.includes(name)) throw bad(`unexpected output '${name}': this model gives ${listed(given)}`);
    if (asked?.['classification'] !== undefined)
      throw bad("the classification extension is not supported: ask for 'label'");
    return { name, binary: (asked?.['binary_data'] as boolean | undefined) ?? binaryByDefault };
  });
}

/** The answer's body and headers, of a model that tells labels apart. */
export function formatInferResponse(
  request: Pick<AskedRequest, 'id' | 'outputs'>,
  served: ServedVersion,
  predictions: Predictions,
): FormattedAnswer {
  return formatAnswer(request, served, labelTensors(predictions));
}

export function labelTensors({
  labels,
  several,
  probabilities,
  classes,
}: Predictions): Readonly<Record<string, OutputTensor>> {
  return {
    [several === true ? 'labels' : 'label']: { datatype: 'BYTES', shape: [labels.length], data: labels },
    probabilities: { datatype: 'FP32', shape: [labels.length, classes], data: probabilities },
  };
}

interface ServedVersion {
  readonly model: string;
  readonly version: string;
  readonly bundle: string;
}
interface FormattedAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The same of any outputs: those that were asked for, of the ones that are there. */
export function formatAnswer(
  request: Pick<AskedRequest, 'id' | 'outputs'>,
  served: ServedVersion,
  given: Readonly<Record<string, OutputTensor>>,
): FormattedAnswer {
  const binaries: Buffer[] = [];
  const outputs = request.outputs.flatMap(({ name, binary }): object[] => {
    const tensor = given[name];
    if (tensor === undefined) return [];
    const { datatype, shape } = tensor;
    if (!binary) return [{ name, datatype, shape, data: [...tensor.data] }];
    const bytes = tensor.datatype === 'BYTES' ? encodeBytesTensor(tensor.data) : encodeFloats(tensor.data);
    binaries.push(bytes);
    return [{ name, datatype, shape, parameters: { binary_data_size: bytes.length } }];
  });
  const json = Buffer.from(
    JSON.stringify({
      model_name: served.model,
      model_version: served.version,
      ...(request.id === undefined ? {} : { id: request.id }),
      parameters: { bundle: served.bundle },
      outputs,
    }),
  );
  if (binaries.length === 0) return { headers: { 'content-type': 'application/json' }, body: json };
  return {
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) },
    body: Buffer.concat([json, ...binaries]),
  };
}

export interface RefusedVersion {
  readonly bundle: string | null;
  readonly kind: string;
  readonly reason: string;
}

export function refusalParameters({ bundle, kind, reason }: RefusedVersion): Readonly<Record<string, string>> {
  return { refused: reason, refused_kind: kind, refused_bundle: bundle ?? '' };
}

export interface ServedMetadata {
  readonly model: string;
  readonly version: string;
  readonly bundle: string;
  readonly refused: RefusedVersion | undefined;
  /** What its licences ask of whoever serves and uses it. */
  readonly terms?: Readonly<Record<string, string | boolean>>;
}
type Parameters = Readonly<Record<string, string | number | boolean>>;

/** Model metadata. `parameters.bundle` is the digest that is served; `parameters.refused` says why a newer one is not. */
export function modelMetadata(
  served: ServedMetadata & {
    readonly takes: 'text' | 'image';
    readonly labels: readonly string[];
    readonly pairs?: boolean;
    readonly thresholds?: readonly number[];
  },
): unknown {
  const outputs = [
    { name: served.thresholds === undefined ? 'label' : 'labels', datatype: 'BYTES', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, served.labels.length] },
  ];
  // The protocol's parameters are strings, numbers and booleans: the label list travels as JSON.
  const inputs = [served.takes, ...(served.pairs === true ? ['pair'] : [])];
  const tensors = inputs.map((name) => ({ name, datatype: 'BYTES', shape: [-1] }));
  return metadata(served, tensors, outputs, {
    labels: JSON.stringify(served.labels),
    ...(served.thresholds === undefined ? {} : { thresholds: JSON.stringify(served.thresholds) }),
    ...(served.takes === 'image' ? { content_type: 'base64' } : {}),
  });
}

/** The same of a model that finds pictures: n asked, k found of each. */
export function retrieverMetadata(
  served: ServedMetadata & {
    readonly labels: readonly string[];
    readonly neighbours: number;
    readonly rows: number;
    readonly search: 'exact' | 'graph';
  },
): unknown {
  const outputs = [
    { name: 'id', datatype: 'BYTES', shape: [-1, -1] },
    { name: 'similarity', datatype: 'FP32', shape: [-1, -1] },
    { name: 'label', datatype: 'BYTES', shape: [-1, -1] },
  ];
  return metadata(served, [{ name: 'image', datatype: 'BYTES', shape: [-1] }], outputs, {
    content_type: 'base64',
    labels: JSON.stringify(served.labels),
    neighbours: served.neighbours,
    most_neighbours: MOST_NEIGHBOURS,
    index_rows: served.rows,
    index_search: served.search,
  });
}

/** The same of a generator, whose tensors are those of the generate extension. */
export function generatorMetadata(served: ServedMetadata & { readonly contextTokens: number }): unknown {
  const text = (name: string) => ({ name, datatype: 'BYTES', shape: [1] });
  const { contextTokens } = served;
  return metadata(served, [text('text_input')], [text('text_output')], {
    generates: true,
    context_tokens: contextTokens,
  });
}

function metadata(
  served: ServedMetadata,
  inputs: readonly object[],
  outputs: readonly object[],
  more: Parameters,
): unknown {
  return {
    name: served.model,
    versions: [served.version],
    platform: 'onnxruntime_onnx',
    inputs,
    outputs,
    parameters: {
      bundle: served.bundle,
      ...more,
      ...served.terms,
      ...(served.refused === undefined ? {} : refusalParameters(served.refused)),
    },
  };
}

/** a, b and c. */
function listed(names: readonly string[]): string {
  return names.join(', ').replace(/, ([^,]*)$/, ' and $1');
}

function bad(message: string): ProtocolError {
  return new ProtocolError(400, message);
}
