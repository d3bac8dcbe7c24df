import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { packageRoot } from '../../../pipelines/load.ts';
import { termsOf } from '../../../pipelines/licence/model-terms.ts';
import { recogniseText } from '../../../pipelines/licence/recognise.ts';
import { findLicence } from '../../../pipelines/licence/rows.ts';
import { judge, PUBLISHED } from './ask.ts';

const folder = join(packageRoot(), 'pipelines/licence/texts');
const textOf = (name: string): string => readFileSync(join(folder, `${name}.txt`), 'utf8');
const [apache, mit] = [textOf('apache-2.0'), textOf('mit')];
/** Policies and a licence of software that no row judges. */
const WITHOUT_ROW = ['fair-ai-public-1.0', 'gemma-pup-2024-02-21', 'llama-4-license-2025', 'odbl-1.0', 'odc-by-1.0'];

describe('recognising a licence text', () => {
  it('knows each shipped text as itself, and has a row for it', () => {
    for (const file of readdirSync(folder)) {
      const name = file.replace('.txt', '');
      const { licence, same, similarity } = recogniseText(file, textOf(name));
      deepEqual([same, similarity], [true, 1], name);
      equal(findLicence(licence ?? '') === undefined, WITHOUT_ROW.includes(name), `${name}: ${licence}`);
    }
  });

  const same: readonly [string, string][] = [
    ['other line breaks', apache.replaceAll(/(\w),?\n +(?=[a-z])/g, '$1 ').replaceAll('\n', '\r\n')],
    ['capitals and curly quotes', mit.toUpperCase().replaceAll('"', '”')],
    [
      'a heading and a holder',
      `The MIT License (MIT)\n\nCopyright © 2017-2024 Example SE, https://example.org\n\n${mit}`,
    ],
    ['a research institute as the holder', `MIT License\nCopyright (c) 2021 Example Research\n\n${mit}`],
    ['no instructions after the terms', apache.slice(0, apache.indexOf('APPENDIX: How to apply'))],
  ];
  for (const [title, text] of same) {
    it(`knows a text by its words: ${title}`, () => {
      const { same: found, differences } = recogniseText('LICENSE', text);
      deepEqual([found, differences], [true, []]);
    });
  }

  const others: readonly [string, string, RegExp][] = [
    [
      'a sentence after the end',
      `${apache}\nThe model may not be used commercially.\n`,
      /^\+ .*may not be used commercially/m,
    ],
    [
      'a "not" in the middle',
      apache.replace('Contributor hereby grants', 'Contributor hereby never grants'),
      /^\+ .*hereby never grants/m,
    ],
    ['a word that is left out', mit.replace('without restriction', 'with restriction'), /restriction/],
    [
      'a restriction beside the holder',
      `Copyright (c) 2020 Example, not for commercial use\n\n${mit}`,
      /^\+ Copyright .*not for commercial/m,
    ],
    ['a clause that is missing', mit.replace(/The above copyright[\s\S]*?Software\.\n/, ''), /^- /m],
    ['half of a text', apache.slice(0, 6000), /^- /m],
  ];
  for (const [title, text, shown] of others) {
    it(`shows what differs: ${title}`, () => {
      const { same: found, licence, similarity, differences } = recogniseText('LICENSE', text);
      equal(found, false);
      ok(licence === 'apache-2.0' || licence === 'mit');
      ok(similarity > 0.5 && similarity < 1, `${similarity}`);
      match(differences.join('\n'), shown);
    });
  }

  it('tells the modified MIT licence from the MIT licence, and BSD with two clauses from three', () => {
    equal(recogniseText('LICENSE', textOf('moonshot-ai-modified-mit-2025')).licence, 'kimi-modified-mit');
    equal(recogniseText('LICENSE', textOf('bsd-2-clause')).licence, 'bsd-2-clause');
    equal(recogniseText('LICENSE', textOf('bsd-new')).licence, 'bsd-3-clause');
  });

  it('knows nothing in other words, and never throws', () => {
    deepEqual(recogniseText('LICENSE', 'You may use this as you like, if you are nice.').licence, null);
    fc.assert(
      fc.property(fc.string(), (text) => !recogniseText('LICENSE', text).same),
      { numRuns: 200 },
    );
  });

  const card = (licence: string): string => `---\nlicense: ${licence}\n---\n`;
  const decided: readonly [string, string, string, RegExp][] = [
    [card('mit'), mit, 'allow', /MIT permits/],
    [card('other'), mit, 'allow', /MIT permits/],
    ['# no front matter', apache, 'allow', /Apache-2\.0 permits/],
    [card('mit'), apache, 'review', /the text LICENSE declares apache-2\.0: a conflict/],
    [
      card('mit'),
      `${mit}\nNot for money.\n`,
      'review',
      /reads like mit \(9\d %\) but is not the same: \+ Not for money/,
    ],
    [card('mit'), 'Mine. Ask me.', 'review', /LICENSE is a text that is not known/],
    [card('gpl-3.0-or-later'), textOf('gpl-3.0'), 'review', /same licence/],
    [card('apache-2.0'), textOf('cc-by-nd-4.0'), 'deny', /may be made, but not shared/],
  ];
  for (const [markdown, text, verdict, says] of decided) {
    it(`says ${verdict} where the card says ${markdown.split('\n')[1] || 'nothing'}: ${says.source}`, () => {
      const judged = judge(termsOf({ card: markdown, texts: [recogniseText('LICENSE', text)] }), PUBLISHED);
      const said = judged.reasons.map((reason) => reason.text).join('\n');
      equal(judged.verdict, verdict, said);
      match(said, says);
    });
  }
});
