/** Facts of licences that are not particular to models, in our own words. Not legal advice. */
import {
  changes,
  judgement,
  licence,
  licenceCopy,
  nonCommercial,
  noDerivatives,
  notices,
  reminder,
  sameLicence,
  scancode,
} from './clauses.ts';
import type { Licence, Term } from './terms.ts';

const spdxText = (id: string) => `SPDX licence list: ${id}`;
/** Use, change and pass on freely; the notice stays. */
const permissive = (spdx: string, source: string, clause: string, ...more: readonly Term[]): Licence =>
  licence(spdx.toLowerCase(), spdx, source, [notices(clause), ...more]);

const creativeCommons = (['2.0', '2.5', '3.0', '4.0'] as const).flatMap((version) => {
  const four = version === '4.0';
  const cc = (kind: string, ...terms: readonly Term[]): Licence =>
    licence(
      `cc-${kind}-${version}`,
      `CC-${kind.toUpperCase()}-${version}`,
      four ? scancode(`cc-${kind}-4.0`) : `creativecommons.org/licenses/${kind}/${version}/legalcode`,
      [notices(four ? 's.3(a)(1)' : 's.4'), changes(four ? 's.3(a)(1)(B)' : 's.4'), ...terms],
    );
  const nc = nonCommercial(four ? 's.1(i), s.2(a)(1)' : 's.4');
  const nd = noDerivatives(four ? 's.2(a)(1)(B)' : 's.3');
  const sa = sameLicence(four ? 's.3(b)' : 's.4');
  return [cc('by'), cc('by-sa', sa), cc('by-nc', nc), cc('by-nd', nd), cc('by-nc-sa', nc, sa), cc('by-nc-nd', nc, nd)];
});

const UNSAID = judgement('the id', 'says neither "only" nor "or later": which version applies is not stated');
const copyleft = (spdx: string, source: string, clause: string, ...more: readonly Term[]): readonly Licence[] => {
  const terms = [notices('s.4'), licenceCopy('s.4'), changes('s.5'), sameLicence(clause), ...more];
  return [
    licence(spdx.toLowerCase(), spdx, source, [UNSAID, ...terms]),
    licence(`${spdx.toLowerCase()}-only`, `${spdx}-only`, source, terms),
    licence(`${spdx.toLowerCase()}-or-later`, `${spdx}-or-later`, source, terms),
  ];
};
const SOURCE_TO_USERS = judgement(
  's.13',
  'users who reach a changed version over a network must be offered its source',
  'host-changed',
);

export const OPEN_LICENCES: readonly Licence[] = [
  licence('apache-2.0', 'Apache-2.0', scancode('apache-2.0'), [
    licenceCopy('s.4(a)'),
    changes('s.4(b)'),
    notices('s.4(c), NOTICE file s.4(d)'),
    reminder('s.3', 'the patent grant ends for whoever sues over patents in it'),
  ]),
  permissive('MIT', scancode('mit'), 'the notice clause'),
  permissive('BSD-2-Clause', spdxText('BSD-2-Clause'), 'clauses 1 and 2'),
  permissive(
    'BSD-3-Clause',
    scancode('bsd-new'),
    'clauses 1 and 2',
    reminder('clause 3', 'the names of the authors endorse nothing'),
  ),
  permissive('ISC', spdxText('ISC'), 'the notice clause'),
  permissive('NCSA', spdxText('NCSA'), 'clauses 1 and 2'),
  permissive('PostgreSQL', spdxText('PostgreSQL'), 'the notice clause'),
  permissive('BSL-1.0', spdxText('BSL-1.0'), 'the notice clause'),
  permissive('Zlib', spdxText('Zlib'), 'clause 3', changes('clause 2')),
  permissive('0BSD', spdxText('0BSD'), 'no clause asks for it'),
  licence('unlicense', 'Unlicense', spdxText('Unlicense'), []),
  licence('wtfpl', 'WTFPL', spdxText('WTFPL'), []),
  licence('cc0-1.0', 'CC0-1.0', 'creativecommons.org/publicdomain/zero/1.0/legalcode', [
    reminder('s.4(a)', 'neither patents nor trademarks are granted'),
  ]),
  licence('pddl', 'PDDL-1.0', scancode('pddl-1.0'), []),
  licence('openmdw-1.0', 'OpenMDW-1.0', scancode('openmdw-1.0'), [
    licenceCopy('the distribution clause'),
    notices('the distribution clause'),
    reminder('the termination clause', 'it ends for whoever sues over the model'),
  ]),
  licence('cdla-permissive-2.0', 'CDLA-Permissive-2.0', scancode('cdla-permissive-2.0'), [licenceCopy('s.2.1')]),
  licence('cdla-sharing-1.0', 'CDLA-Sharing-1.0', scancode('cdla-sharing-1.0'), [
    licenceCopy('s.3.1'),
    reminder('s.3.1, s.3.5', 'the data themselves stay under this licence; results are free'),
  ]),
  licence('c-uda', 'C-UDA-1.0', scancode('c-uda-1.0'), [reminder('s.2.1', 'the data may be used by computers only')]),
  ...creativeCommons,
  ...copyleft('GPL-2.0', spdxText('GPL-2.0'), 's.2(b)'),
  ...copyleft('GPL-3.0', scancode('gpl-3.0'), 's.5(c)'),
  ...copyleft('AGPL-3.0', scancode('agpl-3.0'), 's.5(c)', SOURCE_TO_USERS),
  ...copyleft('LGPL-2.1', spdxText('LGPL-2.1'), 's.2'),
  ...copyleft('LGPL-3.0', spdxText('LGPL-3.0'), 's.4'),
  licence('mpl-2.0', 'MPL-2.0', spdxText('MPL-2.0'), [notices('s.3.4'), sameLicence('s.3.1')]),
];

/** Ids that name many texts: which one applies, only a person can find out. */
export const FAMILIES: ReadonlySet<string> = new Set([
  'bsd',
  'cc',
  'gfdl',
  'gpl',
  'lgpl',
  'odbl',
  'odc-by',
  'openrail',
]);

/** Ids that name no text. */
export const NO_LICENCE: ReadonlySet<string> = new Set([
  'unknown',
  'other',
  'none',
  'noassertion',
  'proprietary',
  'unlicensed',
]);
