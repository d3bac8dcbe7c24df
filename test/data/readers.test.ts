import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { MAX_RECORD_BYTES, readRows, type SourceRow } from '../../activities/data/readers.ts';
import { refusal } from './fixtures.ts';

describe('data readers', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-readers-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function read(format: 'csv' | 'jsonl', content: string | Uint8Array): Promise<SourceRow[]> {
    const path = join(folder, 'file');
    await writeFile(path, content);
    const rows: SourceRow[] = [];
    for await (const row of readRows({ path, name: `data.${format}`, format }, { text: 'text', label: 'label' }))
      rows.push(row);
    return rows;
  }
  const brief = (rows: readonly SourceRow[]): unknown[] =>
    rows.map((row) => ('problem' in row ? [row.line, row.problem.reason] : [row.line, row.text, row.label]));

  const readable: readonly [string, 'csv' | 'jsonl', string | Uint8Array, unknown[]][] = [
    [
      'plain CSV',
      'csv',
      'text,label\na,x\nb,y',
      [
        [2, 'a', 'x'],
        [3, 'b', 'y'],
      ],
    ],
    ['columns in another order', 'csv', 'id,label,text\n1,x,a\n', [[2, 'a', 'x']]],
    ['a byte order mark and CRLF', 'csv', '\uFEFFtext,label\r\na,x\r\n', [[2, 'a', 'x']]],
    [
      'line ends of the old Macintosh',
      'csv',
      'text,label\ra,x\rb,y\r',
      [
        [2, 'a', 'x'],
        [3, 'b', 'y'],
      ],
    ],
    [
      'quotes, commas and empty cells',
      'csv',
      'text,label\n"a ""b"", c",x\n,y\n',
      [
        [2, 'a "b", c', 'x'],
        [3, '', 'y'],
      ],
    ],
    [
      'line breaks in quotes',
      'csv',
      'text,label\n"a\n\nb",x\nc,y\n',
      [
        [2, 'a\n\nb', 'x'],
        [5, 'c', 'y'],
      ],
    ],
    [
      'CRLF in quotes, counted once',
      'csv',
      'text,label\r\n"a\r\nb",x\r\n\r\nc,y\r\n',
      [
        [2, 'a\r\nb', 'x'],
        [5, 'c', 'y'],
      ],
    ],
    ['blank lines before the header', 'csv', '\n\ntext,label\n\na,x\n', [[5, 'a', 'x']]],
    [
      'a ragged row',
      'csv',
      'text,label\na,x,1\nb\nc,z\n',
      [
        [2, 'ragged'],
        [3, 'ragged'],
        [4, 'c', 'z'],
      ],
    ],
    [
      'Latin-1',
      'csv',
      Buffer.from('text,label\ncaf\xE9,x\nb,y\n', 'latin1'),
      [
        [2, 'not-utf8'],
        [3, 'b', 'y'],
      ],
    ],
    [
      'plain JSONL',
      'jsonl',
      '{"text":"a","label":"x"}\n{"label":"y","text":"b","more":1}',
      [
        [1, 'a', 'x'],
        [2, 'b', 'y'],
      ],
    ],
    [
      'JSONL with a mark, CRLF and blank lines',
      'jsonl',
      '\uFEFF{"text":"a","label":"x"}\r\n\r\n{"text":"b","label":"y"}\r\n',
      [
        [1, 'a', 'x'],
        [3, 'b', 'y'],
      ],
    ],
    [
      'broken JSON',
      'jsonl',
      '{"text":"a","label":"x"}\n{"text":\n[1]\nnull\n',
      [
        [1, 'a', 'x'],
        [2, 'not-json'],
        [3, 'not-json'],
        [4, 'not-json'],
      ],
    ],
    [
      'values that are no strings',
      'jsonl',
      '{"text":"a","label":1}\n{"text":["a"],"label":"x"}\n{"text":null,"label":"x"}\n{"label":"x"}\n',
      [
        [1, 'not-a-string'],
        [2, 'not-a-string'],
        [3, 'missing-value'],
        [4, 'missing-value'],
      ],
    ],
    [
      'invalid UTF-8 in JSONL',
      'jsonl',
      Buffer.from('{"text":"caf\xE9","label":"x"}\n{"text":"b","label":"y"}\n', 'latin1'),
      [
        [1, 'not-utf8'],
        [2, 'b', 'y'],
      ],
    ],
    [
      'half a surrogate pair',
      'jsonl',
      '{"text":"\\ud83d","label":"x"}\n{"text":"\\ud83d\\ude00","label":"x"}\n',
      [
        [1, 'not-utf8'],
        [2, '😀', 'x'],
      ],
    ],
    [
      'a key named __proto__',
      'jsonl',
      '{"__proto__":{"text":"a"},"label":"x"}\n{"text":"b","label":"y"}\n',
      [
        [1, 'missing-value'],
        [2, 'b', 'y'],
      ],
    ],
  ];
  for (const [title, format, content, expected] of readable) {
    it(`reads ${title}`, async () => deepEqual(brief(await read(format, content)), expected));
  }

  const unreadable: readonly [string, 'csv' | 'jsonl', string | Uint8Array, RegExp][] = [
    ['an empty file', 'csv', '', /data\.csv is empty/],
    ['a header without rows', 'csv', 'text,label\n', /data\.csv has no rows/],
    ['blank JSONL', 'jsonl', '\n\n', /data\.jsonl has no rows/],
    ['an unknown column', 'csv', 'message,label\na,x\n', /no column 'text'; it has 'message', 'label'/],
    ['an unknown key', 'jsonl', '{"message":"a","label":"x"}\n', /no column 'text'; it has 'message', 'label'/],
    ['a column named twice', 'csv', 'text,label,text\na,x,b\n', /more than one column 'text'/],
    [
      'a quote in mid-cell',
      'csv',
      'text,label\r\n"a\r\nb",x\r\n5" screen,y\r\n',
      /data\.csv:4 is not CSV: a double quote in the middle/,
    ],
    [
      'text after a closing quote',
      'csv',
      'text,label\n"a"b,x\n',
      /data\.csv:2 is not CSV: text after the closing quote/,
    ],
    [
      'a quote never closed',
      'csv',
      'text,label\na,x\n\n"b,y\nc,z\n',
      /data\.csv:4 is not CSV: a quote that is never closed/,
    ],
    ['UTF-16', 'csv', Buffer.from('\uFEFFtext,label\na,x\n', 'utf16le'), /UTF-16, not UTF-8/],
    [
      'an endless record',
      'csv',
      `text,label\n"${'x'.repeat(MAX_RECORD_BYTES + 9)}`,
      /data\.csv:2 is not CSV: more than 16 MiB/,
    ],
    ['an endless line', 'jsonl', 'x'.repeat(MAX_RECORD_BYTES + 1), /data\.jsonl:1 is longer than 16 MiB/],
  ];
  for (const [title, format, content, says] of unreadable) {
    it(`refuses ${title}`, async () => {
      const error = await refusal(read(format, content));
      equal(error.kind, 'BadData');
      match(error.message, says);
      match(error.where ?? '', /^data\./);
    });
  }

  it('reads whole a cell of 5 MB, across many chunks', async () => {
    const text = 'ä"\n'.repeat(1_300_000);
    const [first, second] = await read('csv', `text,label\n"${text.replaceAll('"', '""')}",x\nb,y\n`);
    deepEqual([first && 'text' in first && first.text.length, second?.line], [text.length, 1_300_003]);
  });

  it('returns what was written, with the lines it was written on', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'ß', '😀', '"', ',', '\n', '\r\n', ' ', ';', '\t') });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 20 }),
        fc.constantFrom('\n', '\r\n'),
        async (cells, end) => {
          const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
          let line = 2;
          const expected = cells.map(([text, label]) => {
            const row = [line, text, label];
            line += 1 + `${text}${label}`.split('\n').length - 1;
            return row;
          });
          const content = [`text,label`, ...cells.map((pair) => pair.map(quote).join(','))].join(end) + end;
          deepEqual(brief(await read('csv', content)), expected);
          const lines = cells.map(([text, label]) => JSON.stringify({ text, label })).join(end);
          deepEqual(
            brief(await read('jsonl', lines)),
            cells.map(([text, label], index) => [index + 1, text, label]),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});
