/** Values of every kind of personal data, to be planted and looked for. */
import type { PiiKind } from '../../pipelines/definition/data.ts';

/** Several of a kind, in forms that are easily overlooked; `part` must not be seen either. */
export const PLANTED: readonly (readonly [kind: PiiKind, text: string, ...parts: string[]])[] = [
  ['email', 'Wilhelmina.Quackenbush@post-office.example', 'Quackenbush', 'post-office'],
  ['phone', '+49 30 76543218', '76543218'],
  ['phone', '+49\u00A0171\u00A07654329', '7654329'],
  ['card', '4012 8888 8888 1881', '8888', '1881'],
  ['card', '4012\u202F8888\u202F8888\u202F1881'],
  ['iban', 'GB29 NWBK 6016 1331 9268 19', 'NWBK', '9268'],
  ['nationalId', '12345678Z'],
  ['nationalId', '529.982.247-25', '982.247'],
  ['nationalId', '811228-9874', '9874'],
  ['ipAddress', '198.51.100.23', '51.100'],
  ['ipAddress', '2001:db8:85a3::8a2e:370:7334', '7334'],
  ['macAddress', '00:1b:63:84:45:e6', '84:45'],
  ['secret', 'AKIAIOSFODNN7NOTREAL', 'FODNN7'],
  ['secret', 'https://jo:correct-horse9@host.example', 'correct-horse9'],
  ['birthDate', 'born on 1981-03-17', '1981-03'],
  ['birthDate', 'geboren am 17. März 1982', 'März 1982'],
];

/**
 * What of the planted values stands in a text, each with what is around it; as it is, and as JSON writes it. `shortest`:
 * of what is looked for, where digests and numbers have every four digits somewhere.
 */
export function plantedIn(text: string, shortest = 1): readonly string[] {
  const said = text.normalize('NFC').toLowerCase();
  const sought = PLANTED.flatMap(([, value, ...parts]) => [value, ...parts]).filter(({ length }) => length >= shortest);
  return sought.flatMap((part) => {
    const written = [part, JSON.stringify(part).slice(1, -1)].map((one) => one.toLowerCase());
    const at = Math.max(...written.map((one) => said.indexOf(one)));
    return at === -1 ? [] : [`'${part}' in …${said.slice(Math.max(0, at - 80), at + 80)}…`];
  });
}
