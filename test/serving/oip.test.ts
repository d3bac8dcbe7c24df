import { deepEqual, equal, throws } from 'node:assert/strict';
import { formatInferResponse, MAX_ROWS, parseInferRequest, requireTexts } from '../../serving/oip.ts';
import { encodeBytesTensor, encodeFloats, splitBytesTensor } from '../../serving/tensors.ts';
import { inferBody } from '../support/model-server.ts';

const parse = (request: unknown) => parseInferRequest(Buffer.from(JSON.stringify(request)));
const text = (more: object) => ({ inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: ['a'], ...more }] });

describe('Open Inference Protocol requests', () => {
  it('are read flat, nested, with an id and with the outputs asked for', () => {
    deepEqual(parse(inferBody(['a', 'b'], { id: 'seven' })), {
      id: 'seven',
      texts: ['a', 'b'],
      record: true,
      outputs: [
        { name: 'label', binary: false },
        { name: 'probabilities', binary: false },
      ],
    });
    deepEqual(parse(text({ shape: [2, 1], data: [['a'], ['b']] })).texts, ['a', 'b']);
    deepEqual(parse(text({ shape: [2, 1], data: ['a', 'b'] })).texts, ['a', 'b']);
    deepEqual(parse({ ...text({}), outputs: [{ name: 'probabilities' }] }).outputs, [
      { name: 'probabilities', binary: false },
    ]);
    equal(parse({ ...text({}), parameters: { espalier_record: false } }).record, false);
    deepEqual(parse(text({ data: [''] })).texts, ['']);
  });

  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ['no object', [], /object/],
    ['no inputs', {}, /inputs/],
    ['empty inputs', { inputs: [] }, /inputs/],
    [
      'an unknown input',
      { inputs: [{ name: 'x', datatype: 'BYTES', shape: [1], data: ['a'] }] },
      /unexpected input 'x'/,
    ],
    ['the input twice', { inputs: [...text({}).inputs, ...text({}).inputs] }, /twice/],
    ['a wrong datatype', text({ datatype: 'FP32', data: [1] }), /FP32.*send BYTES/],
    ['a wrong rank', text({ shape: [1, 1, 1] }), /shape \[1, 1, 1\]/],
    ['a wrong width', text({ shape: [1, 2], data: [['a', 'b']] }), /shape \[1, 2\]/],
    ['no dimension', text({ shape: [] }), /shape \[\]/],
    ['no rows', text({ shape: [0], data: [] }), /0 rows/],
    ['too many rows', text({ shape: [MAX_ROWS + 1] }), /1025 rows/],
    ['a negative shape', text({ shape: [-1] }), /shape/],
    ['a fractional shape', text({ shape: [1.5] }), /shape/],
    ['more data than shape', text({ data: ['a', 'b'] }), /2 values for 1 rows/],
    ['no data', text({ data: undefined }), /no data array/],
    ['numbers for strings', text({ data: [7] }), /a number at 0/],
    ['null for a string', text({ data: [null] }), /a null at 0/],
    ['data too deep', text({ data: [[['a']]] }), /a object at 0/],
    ['a number as id', { ...text({}), id: 7 }, /id/],
    ['an output twice', { ...text({}), outputs: [{ name: 'label' }, { name: 'label' }] }, /'label' is asked for twice/],
    ['an unknown output', { ...text({}), outputs: [{ name: 'logits' }] }, /unexpected output 'logits'/],
    [
      'a classification',
      { ...text({}), outputs: [{ name: 'label', parameters: { classification: 2 } }] },
      /classification/,
    ],
    ['binary data that is not there', text({ data: undefined, parameters: { binary_data_size: 5 } }), /0 bytes follow/],
    ['data twice', text({ parameters: { binary_data_size: 0 } }), /both data and binary_data_size/],
  ];
  for (const [what, request, message] of refused) {
    it(`are refused with ${what}`, () => throws(() => parse(request), { status: 400, message }));
  }

  it('are of pairs where a second input has as many rows, whatever their order', () => {
    const tensor = (name: string, data: readonly string[]) => ({ name, datatype: 'BYTES', shape: [data.length], data });
    const [texts, pairs] = [tensor('text', ['a', 'b']), tensor('pair', ['c', 'd'])];
    const expected = [
      ['a', 'c'],
      ['b', 'd'],
    ];
    deepEqual(parse({ inputs: [texts, pairs] }).texts, expected);
    deepEqual(parse({ inputs: [pairs, texts] }).texts, expected);
    throws(() => parse({ inputs: [pairs] }), /input 'text' is missing/);
    throws(() => parse({ inputs: [texts, pairs, pairs] }), /input 'pair' is given twice/);
    throws(() => parse({ inputs: [texts, tensor('pair', ['c'])] }), /'pair' has 1 rows, input 'text' 2/);
    throws(() => requireTexts(['a'], true), { status: 400, message: /input 'pair' is missing/ });
    throws(() => requireTexts([['a', 'b']], false), { status: 400, message: /unexpected input 'pair'/ });
  });

  it('carry the bytes of both texts in the order of the inputs, and no byte more', () => {
    const [first, second] = [encodeBytesTensor(['häuser', '']), encodeBytesTensor(['x', '🙂'])];
    const build = (sizes: readonly unknown[], bytes: Buffer) => {
      const inputs = ['text', 'pair'].map((name, at) => ({
        name,
        datatype: 'BYTES',
        shape: [2],
        parameters: { binary_data_size: sizes[at] },
      }));
      const json = Buffer.from(JSON.stringify({ inputs }));
      return [Buffer.concat([json, bytes]), String(json.length)] as const;
    };
    const both = Buffer.concat([first, second]);
    deepEqual(parseInferRequest(...build([first.length, second.length], both)).texts, [
      ['häuser', 'x'],
      ['', '🙂'],
    ]);
    for (const sizes of [
      [first.length - 1, second.length + 1],
      [first.length, second.length - 1],
      [both.length + 5, 0],
      [-1, both.length],
      ['9', both.length],
    ]) {
      throws(() => parseInferRequest(...build(sizes, both)), { status: 400 }, JSON.stringify(sizes));
    }
  });

  it('are refused when they are not JSON or not UTF-8', () => {
    throws(() => parseInferRequest(Buffer.from('{"inputs": [')), { status: 400, message: /not JSON/ });
    throws(() => parseInferRequest(Buffer.alloc(0)), { status: 400, message: /not JSON/ });
    throws(() => parseInferRequest(Buffer.from([0x22, 0xff, 0x22])), { status: 400, message: /not JSON/ });
  });

  it('carry binary tensors, every length of which must fit', () => {
    const tensor = encodeBytesTensor(['häuser', '', '🙂']);
    const build = (size: number, bytes: Buffer, rows = 3) => {
      const json = Buffer.from(
        JSON.stringify(text({ shape: [rows], data: undefined, parameters: { binary_data_size: size } })),
      );
      return [Buffer.concat([json, bytes]), String(json.length)] as const;
    };
    deepEqual(parseInferRequest(...build(tensor.length, tensor)).texts, ['häuser', '', '🙂']);
    throws(() => parseInferRequest(...build(tensor.length, tensor.subarray(0, -1))), /bytes follow/);
    throws(() => parseInferRequest(...build(tensor.length - 1, tensor.subarray(0, -1))), /ends at byte/);
    throws(
      () => parseInferRequest(...build(tensor.length + 2, Buffer.concat([tensor, Buffer.alloc(2)]))),
      /truncated length/,
    );
    throws(() => parseInferRequest(...build(tensor.length, tensor, 2)), /3 values/);
    throws(() => parseInferRequest(...build(5, Buffer.from([1, 0, 0, 0, 0xff]), 1)), /not UTF-8/);
    const [body] = build(tensor.length, tensor);
    for (const header of ['x', '-1', '99999', '1.5']) {
      throws(() => parseInferRequest(body, header), { status: 400, message: /Inference-Header-Content-Length/ });
    }
    const plain = Buffer.from(JSON.stringify(inferBody(['a'])));
    throws(
      () => parseInferRequest(Buffer.concat([plain, tensor]), String(plain.length)),
      /no input says binary_data_size/,
    );
  });
});

describe('Open Inference Protocol responses', () => {
  const served = { model: 'm', version: '3', bundle: 'sha256:x' };
  const predictions = { labels: ['a', 'b'], probabilities: Float32Array.of(0.75, 0.25, 0.5, 0.5), classes: 2 };

  it('are JSON with the shapes of the outputs', () => {
    const { body, headers } = formatInferResponse(parse(inferBody(['x', 'y'], { id: 'q' })), served, predictions);
    equal(headers['content-type'], 'application/json');
    deepEqual(JSON.parse(body.toString()), {
      model_name: 'm',
      model_version: '3',
      id: 'q',
      parameters: { bundle: 'sha256:x' },
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [2], data: ['a', 'b'] },
        { name: 'probabilities', datatype: 'FP32', shape: [2, 2], data: [0.75, 0.25, 0.5, 0.5] },
      ],
    });
  });

  it('are binary where asked, output by output', () => {
    const request = parse({
      ...inferBody(['x', 'y']),
      parameters: { binary_data_output: true },
      outputs: [{ name: 'label', parameters: { binary_data: false } }, { name: 'probabilities' }],
    });
    const { body, headers } = formatInferResponse(request, served, predictions);
    const length = Number(headers['inference-header-content-length']);
    const json = JSON.parse(body.subarray(0, length).toString()) as {
      outputs: { data?: unknown; parameters?: unknown }[];
    };
    deepEqual(json.outputs[0]?.data, ['a', 'b']);
    deepEqual(json.outputs[1]?.parameters, { binary_data_size: 16 });
    deepEqual(body.subarray(length), encodeFloats(predictions.probabilities));
    equal(body.subarray(length).readFloatLE(0), 0.75);
    const both = formatInferResponse(
      parse({ ...inferBody(['x']), parameters: { binary_data_output: true } }),
      served,
      predictions,
    );
    const rest = both.body.subarray(Number(both.headers['inference-header-content-length']));
    deepEqual(splitBytesTensor(rest.subarray(0, 10)), [Buffer.from('a'), Buffer.from('b')]);
    equal(rest.length, 26);
  });
});
