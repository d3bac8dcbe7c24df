/**
 * Open Inference Protocol V2 over HTTP, for models that take texts or pictures and give a label and class probabilities. Pure:
 * bytes in, checked request out; predictions in, bytes out. With the binary tensor extension (what `tritonclient` sends
 * by default): `Inference-Header-Content-Length` JSON bytes, then the tensors' bytes.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 */
import { Buffer } from 'node:buffer';
import { z } from 'zod';
import { readBytesTensor, TensorSchema, type RawTensor } from './bytes-tensor.ts';
import { ProtocolError } from './protocol-error.ts';
import { encodeBytesTensor, encodeFloats } from './tensors.ts';

/** Texts a request: a larger one belongs into several, so that others are not kept waiting. */
export const MAX_ROWS = 1024;
const OUTPUTS = ['label', 'probabilities'] as const;
type OutputName = (typeof OUTPUTS)[number];

export interface AskedRequest {
  readonly id: string | undefined;
  /** false (`parameters.espalier_record`): not traffic but a check, kept out of the prediction log. */
  readonly record: boolean;
  /** In the order asked for. */
  readonly outputs: readonly { readonly name: OutputName; readonly binary: boolean }[];
}

export interface InferRequest extends AskedRequest {
  readonly texts: readonly string[];
}

export interface Predictions {
  readonly labels: readonly string[];
  /** Row-major [rows, classes]. */
  readonly probabilities: Float32Array;
  readonly classes: number;
}

const parameters = z.record(z.string(), z.unknown()).optional();
const RequestSchema = z.looseObject({
  id: z.string().max(256).optional(),
  parameters,
  inputs: z.array(TensorSchema).min(1),
  outputs: z.array(z.looseObject({ name: z.string(), parameters })).optional(),
});

/** Reads an infer request of texts. `headerLength` is `Inference-Header-Content-Length`, if sent. Throws ProtocolError 400. */
export function parseInferRequest(body: Buffer, headerLength?: string): InferRequest {
  const { input, binary, ...asked } = readRequest(body, headerLength, 'text');
  return { ...asked, texts: readTexts(input, binary) };
}

/** The same up to the values of its one input. */
export function readRequest(
  body: Buffer,
  headerLength: string | undefined,
  takes: 'text' | 'image',
): AskedRequest & { readonly input: RawTensor; readonly binary: Buffer } {
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
  const unknown = inputs.find(({ name }) => name !== takes);
  if (unknown !== undefined) throw bad(`unexpected input '${unknown.name}': this model takes one input, '${takes}'`);
  const [input, second] = inputs;
  if (input === undefined || second !== undefined) throw bad(`input '${takes}' is given twice`);
  const binaryByDefault = parsed.data.parameters?.['binary_data_output'] === true;
  const record = parsed.data.parameters?.['espalier_record'] !== false;
  const outputs = requestedOutputs(parsed.data.outputs, binaryByDefault);
  return { id, record, outputs, input, binary: body.subarray(jsonBytes) };
}

/** Throws ProtocolError 400. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw bad(`the request is not JSON: ${(error as Error).message}`);
  }
}

function readTexts(input: RawTensor, binary: Buffer): readonly string[] {
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
): AskedRequest['outputs'] {
  if (requested === undefined || requested.length === 0) {
    return OUTPUTS.map((name) => ({ name, binary: binaryByDefault }));
  }
  return requested.map(({ name, parameters: asked }) => {
    const known = OUTPUTS.find((output) => output === name);
    if (known === undefined) throw bad(`unexpected output '${name}': this model gives ${OUTPUTS.join(' and ')}`);
    if (asked?.['classification'] !== undefined)
      throw bad("the classification extension is not supported: ask for 'label'");
    return { name: known, binary: (asked?.['binary_data'] as boolean | undefined) ?? binaryByDefault };
  });
}

/** The answer's body and headers. */
export function formatInferResponse(
  request: Pick<AskedRequest, 'id' | 'outputs'>,
  served: { readonly model: string; readonly version: string; readonly bundle: string },
  predictions: Predictions,
): { readonly headers: Readonly<Record<string, string>>; readonly body: Buffer } {
  const rows = predictions.labels.length;
  const binaries: Buffer[] = [];
  const outputs = request.outputs.map(({ name, binary }) => {
    const tensor =
      name === 'label'
        ? { name, datatype: 'BYTES', shape: [rows] }
        : { name, datatype: 'FP32', shape: [rows, predictions.classes] };
    if (!binary)
      return { ...tensor, data: name === 'label' ? predictions.labels : Array.from(predictions.probabilities) };
    const bytes = name === 'label' ? encodeBytesTensor(predictions.labels) : encodeFloats(predictions.probabilities);
    binaries.push(bytes);
    return { ...tensor, parameters: { binary_data_size: bytes.length } };
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

interface ServedMetadata {
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
  served: ServedMetadata & { readonly takes: 'text' | 'image'; readonly labels: readonly string[] },
): unknown {
  const outputs = [
    { name: 'label', datatype: 'BYTES', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, served.labels.length] },
  ];
  // The protocol's parameters are strings, numbers and booleans: the label list travels as JSON.
  return metadata(served, { name: served.takes, datatype: 'BYTES', shape: [-1] }, outputs, {
    labels: JSON.stringify(served.labels),
    ...(served.takes === 'image' ? { content_type: 'base64' } : {}),
  });
}

/** The same of a generator, whose tensors are those of the generate extension. */
export function generatorMetadata(served: ServedMetadata & { readonly contextTokens: number }): unknown {
  const text = (name: string) => ({ name, datatype: 'BYTES', shape: [1] });
  const { contextTokens } = served;
  return metadata(served, text('text_input'), [text('text_output')], {
    generates: true,
    context_tokens: contextTokens,
  });
}

function metadata(served: ServedMetadata, input: object, outputs: readonly object[], more: Parameters): unknown {
  return {
    name: served.model,
    versions: [served.version],
    platform: 'onnxruntime_onnx',
    inputs: [input],
    outputs,
    parameters: {
      bundle: served.bundle,
      ...more,
      ...served.terms,
      ...(served.refused === undefined ? {} : refusalParameters(served.refused)),
    },
  };
}

function bad(message: string): ProtocolError {
  return new ProtocolError(400, message);
}
