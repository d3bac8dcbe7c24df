import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { readCard } from '../../../pipelines/licence/card.ts';
import { evaluate } from '../../../pipelines/licence/evaluate.ts';
import { termsOf } from '../../../pipelines/licence/model-terms.ts';

describe('model card', () => {
  it('reads licence, name, link, bases, relation, data, gate, tags and languages', () => {
    const card = readCard(
      '\uFEFF---\r\nlicense: other\r\nlicense_name: acme-1.0\r\nlicense_link: LICENSE\r\nbase_model:\r\n- a/b\r\n- c/d\r\nbase_model_relation: merge\r\ndatasets: d/e\r\nextra_gated_prompt: agree\r\ntags: [x, y, 3]\r\nlanguage:\r\n- en\r\n- no\r\n---\r\n# Title\r\n',
    );
    deepEqual(card, {
      license: 'other',
      licenseName: 'acme-1.0',
      licenseLink: 'LICENSE',
      baseModels: ['a/b', 'c/d'],
      relation: 'merge',
      datasets: ['d/e'],
      gated: true,
      tags: ['x', 'y'],
      languages: ['en', 'no'],
      note: null,
    });
  });

  const cards: readonly [string, string, string | readonly string[] | null, RegExp | null][] = [
    ['a single base model', '---\nlicense: MIT\nbase_model: a/b\n---\n', 'MIT', null],
    ['a list of licences', '---\nlicense: [mit, apache-2.0]\n---\n', ['mit', 'apache-2.0'], null],
    ['no front matter', '# A model\nlicense: mit\n', null, null],
    ['a rule further down', '# A model\n---\nlicense: mit\n---\n', null, null],
    ['empty front matter', '---\n---\n', null, null],
    ['front matter without a licence', '---\ntags: [x]\n---\n', null, null],
    ['an empty licence', '---\nlicense:\n---\n', null, null],
    ['the Norwegian licence', '---\nlicense: no\n---\n', 'no', null],
    ['front matter that is never closed', '---\nlicense: mit\n', null, /never closed/],
    ['invalid YAML', '---\nlicense: [mit\n---\n', null, /not valid YAML/],
    ['two licences under one key', '---\nlicense: mit\nlicense: gpl-3.0\n---\n', null, /not valid YAML/],
    ['a list for a mapping', '---\n- license\n---\n', null, /not a mapping/],
    ['a number for a licence', '---\nlicense: 2.0\n---\n', null, /not a text/],
    [
      'a base model that is half readable',
      '---\nlicense: mit\nbase_model: [a/b, 3]\n---\n',
      'mit',
      /base_model is not a text/,
    ],
    [
      'a relation of no known kind',
      '---\nlicense: mit\nbase_model_relation: cousin\n---\n',
      'mit',
      /'cousin' is not known/,
    ],
    ['a licence that is half readable', '---\nlicense: [mit, {name: x}]\n---\n', null, /not a text/],
    ['an alias', '---\na: &a mit\nlicense: *a\n---\n', null, /alias/i],
    [
      'front matter beyond the limit',
      `---\nlicense: mit\nx: ${'y'.repeat(300_000)}\n---\n`,
      null,
      /longer than 262144/,
    ],
    ['an own __proto__', '---\n__proto__: {license: mit}\n---\n', null, null],
    ['a tag that names a class', '---\nlicense: !!js/function "mit"\n---\n', 'mit', null],
  ];
  for (const [title, markdown, license, note] of cards) {
    it(`understands ${title}`, () => {
      const card = readCard(markdown);
      deepEqual(card.license, license);
      if (note === null) equal(card.note, null);
      else match(card.note ?? '', note);
    });
  }

  it('refuses a bomb of aliases at once', () => {
    const levels = Array.from(
      { length: 30 },
      (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level},`.repeat(9)}]`,
    );
    // CPU time: the wall clock would also measure whatever else the machine does.
    const from = process.cpuUsage();
    const card = readCard(`---\nl0: &l0 lol\n${levels.join('\n')}\nlicense: mit\n---\n`);
    equal(card.license, null);
    ok(process.cpuUsage(from).user / 1e6 < 10);
  });

  it('never throws, whatever the text', () => {
    const piece = fc.constantFrom(
      '---\n',
      'license: ',
      'mit',
      '\n',
      '- ',
      '[',
      '{',
      '&a ',
      '*a',
      '!!map ',
      '"',
      '|\n  ',
      ': ',
      '\0',
      '\t',
      '? ',
      '<<: ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 20 }).map((parts) => `---\n${parts.join('')}\n---\n`),
        ),
        (text) => {
          const { license } = readCard(text);
          ok(license === null || typeof license === 'string' || license.every((id) => typeof id === 'string'));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('[real-data] reads real cards, and decides each', async function () {
    const data = process.env['ESPALIER_TEST_DATA'];
    if (data === undefined) this.skip();
    const folder = join(data, 'cards');
    const use = { commercial: true, domain: 'support', publish: false, hosted: true, modify: true };
    const verdicts: Record<string, string> = {};
    for (const file of (await readdir(folder)).filter((name) => name.endsWith('.md'))) {
      const text = await readFile(join(folder, file), 'utf8');
      const card = readCard(text);
      equal(card.note, null, file);
      const { verdict } = evaluate({ terms: termsOf({ card: text }), use, today: '2026-01-01' });
      verdicts[file.split('.')[0] as string] = `${String(card.license)} ${verdict}`;
    }
    deepEqual(verdicts, {
      'Irfanuruchi--Llama-3': 'null review',
      'KoboldAI--OPT-Erebus': 'other review',
      'audeering--wav2vec2-age-gender': 'cc-by-nc-sa-4.0 deny',
      'bert-base-uncased': 'apache-2.0 allow',
      'deepset--roberta-base-squad2': 'null review',
      'distilbert-base-uncased': 'apache-2.0 allow',
      distilgpt2: 'apache-2.0 allow',
      'google--mobilebert-uncased': 'apache-2.0 allow',
      gpt2: 'null review',
      'meta-llama--llama3_2': 'null review',
      'microsoft--MiniLM-L12-H384-uncased': 'mit allow',
      'sentence-transformers--all-MiniLM-L6-v2': 'apache-2.0 allow',
    });
  });
});
