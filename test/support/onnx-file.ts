import protobuf from 'protobufjs/minimal.js';

/** Where the operator with the domain stands: in the main graph, a branch's graph, a function, or a training's graph. */
export type OperatorPlace = 'graph' | 'subgraph' | 'function' | 'training';

export interface OnnxParts {
  readonly domain?: string;
  readonly place?: OperatorPlace;
  /** Keys and values of one tensor's external data. */
  readonly external?: Readonly<Record<string, string>>;
  /** Where the tensor stands. */
  readonly tensorIn?: 'graph' | 'attribute' | 'sparse';
}

const EMPTY = new Uint8Array();

/** The bytes of a ModelProto with one operator and, where asked for, one tensor (numbers of onnx.proto). */
export function onnxFile({ domain = '', place = 'graph', external, tensorIn = 'graph' }: OnnxParts): Buffer {
  const tensor = message(
    ...Object.entries(external ?? {}).map(([key, value]): Part => [13, message([1, text(key)], [2, text(value)])]),
  );
  const tensorPart: Part[] = external === undefined ? [] : [[5, tensor]];
  const inAttribute: Part[] = tensorIn === 'attribute' ? [[5, message([1, text('a')], ...tensorPart)]] : [];
  const operator: Part = [1, message([4, text('Add')], [7, text(domain)], ...inAttribute)];
  const inGraph: Part[] = tensorIn === 'graph' ? tensorPart : tensorIn === 'sparse' ? [[15, message([1, tensor])]] : [];
  const branch: Part = [1, message([4, text('If')], [5, message([6, message(operator)])])];
  const graph = message(...(place === 'graph' ? [operator] : place === 'subgraph' ? [branch] : []), ...inGraph);
  return Buffer.concat([
    Buffer.from([8, 9]),
    message([7, graph]),
    place === 'function' ? message([25, message([7, operator[1]])]) : EMPTY,
    place === 'training' ? message([20, message([2, message(operator)])]) : EMPTY,
  ]);
}

type Part = readonly [field: number, body: Uint8Array];

/** A message of length-delimited fields. */
export function message(...parts: readonly Part[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const [field, body] of parts) writer.uint32(field * 8 + 2).bytes(body);
  return writer.finish();
}

function text(value: string): Uint8Array {
  return Buffer.from(value);
}
