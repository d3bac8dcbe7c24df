/** An infer request of pictures: whole files in the input `image`, base64 in JSON or as they are in the binary extension. Pure. */
import { Buffer } from 'node:buffer';
import { readBytesTensor } from './bytes-tensor.ts';
import { MOST_NEIGHBOURS } from '../artifacts/bundle.ts';
import { LABEL_OUTPUTS, readRequest, type AskedRequest, type Protocol } from './oip.ts';
import { ProtocolError } from './protocol-error.ts';

/** Pictures a request: a larger one belongs into several, so that others are not kept waiting. */
export const MAX_PICTURES = 64;

export interface PictureRequest extends AskedRequest {
  /** Files, each in memory of its own. */
  readonly pictures: readonly Uint8Array[];
}

/** Of a model that finds pictures. */
export interface NeighbourRequest extends PictureRequest {
  /** Neighbours that are asked for; undefined: as many as the model gives. */
  readonly k: number | undefined;
}

const IMAGE = { inputs: ['image'], says: "this model takes one input, 'image'" } as const;
const CLASSIFIER: Protocol = { ...IMAGE, outputs: LABEL_OUTPUTS };
const RETRIEVER: Protocol = { ...IMAGE, outputs: ['id', 'similarity', 'label'] };

/** As `parseInferRequest`. Throws ProtocolError 400; whether the files are pictures is for the model's worker to see. */
export function parsePictureRequest(body: Buffer, headerLength?: string): PictureRequest {
  const { parameters: _, ...request } = readPictures(body, headerLength, CLASSIFIER);
  return request;
}

/** The same, with `parameters.k`. */
export function parseNeighbourRequest(body: Buffer, headerLength?: string): NeighbourRequest {
  const { parameters, ...request } = readPictures(body, headerLength, RETRIEVER);
  const { k } = parameters;
  if (k === undefined) return { ...request, k };
  if (typeof k === 'number' && Number.isInteger(k) && k >= 1 && k <= MOST_NEIGHBOURS) return { ...request, k };
  throw new ProtocolError(400, `parameter 'k' is ${JSON.stringify(k)}: ask for 1 to ${MOST_NEIGHBOURS} neighbours`);
}

function readPictures(
  body: Buffer,
  headerLength: string | undefined,
  protocol: Protocol,
): PictureRequest & Pick<ReturnType<typeof readRequest>, 'parameters'> {
  const { inputs, ...asked } = readRequest(body, headerLength, protocol);
  const given = inputs.get('image');
  if (given === undefined) throw new ProtocolError(400, "input 'image' is missing");
  const { strings, elements } = readBytesTensor(given.tensor, given.binary, MAX_PICTURES);
  const files = strings === undefined ? elements : strings.map(fromBase64);
  // A worker is handed the whole memory that a piece lies in: it must not be everybody's.
  return { ...asked, pictures: files.map((bytes) => new Uint8Array(bytes)) };
}

/** Node's own decoder leaves out what it does not know, and would hand on another file than was sent. */
function fromBase64(text: string, row: number): Buffer {
  if (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)) return Buffer.from(text, 'base64');
  const hint = text.startsWith('data:') ? ', without what stands before it in a data: address' : '';
  throw new ProtocolError(400, `input 'image': value ${row} is not base64: send the file's bytes as base64${hint}`);
}
