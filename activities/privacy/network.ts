/** Addresses of machines: IPv4, IPv6 and MAC. Pure. */
import { isIPv4, isIPv6 } from 'node:net';
import { matchAt, precededBy, type Form } from './forms.ts';

const END = '(?![A-Za-z0-9@_])';
const IPV4 = new RegExp(`(?:[0-9]{1,3}\\.){3}[0-9]{1,3}(?!\\.[0-9])${END}`, 'y');
const IPV6 = new RegExp(`[0-9a-f]{1,4}(?::{1,2}[0-9a-f]{1,4}){1,7}(?:::|(?:\\.[0-9]{1,3}){3})?(?!:)${END}`, 'iy');
const MAC = new RegExp(
  `(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\\1){4}[0-9a-f]{2}(?!\\1)|[0-9a-f]{4}\\.[0-9a-f]{4}\\.[0-9a-f]{4})${END}`,
  'iy',
);

/** Loopback, unspecified and broadcast say nothing of anybody; four single digits are a version. */
const NOBODY = /^(?:0\.|127\.|255\.255\.255\.255$|[0-9]\.[0-9]\.[0-9]\.[0-9]$)/;

export const IP_V4: Form = {
  kind: 'ipAddress',
  name: 'IPv4 address',
  leading: [1, 2, 3],
  read(text, start) {
    const found = matchAt(IPV4, text, start);
    if (found === undefined || !isIPv4(found) || NOBODY.test(found) || text.charAt(start - 1) === '.') return undefined;
    return precededBy(text, start, /\bversion:? $/i) ? undefined : { start, end: start + found.length };
  },
};

export const IP_V6: Form = {
  kind: 'ipAddress',
  name: 'IPv6 address',
  leading: [1, 2, 3, 4],
  read(text, start) {
    const found = matchAt(IPV6, text, start);
    // 'a1::b2' names something in a program; a time of day has no eight groups.
    const isLong = found !== undefined && (/^[0-9a-f]{4}:/i.test(found) || /:.+:[0-9a-f]/i.test(found));
    if (!isLong || !/[0-9]/.test(found) || !isIPv6(found) || text.charAt(start - 1) === ':') return undefined;
    return { start, end: start + found.length };
  },
};

export const MAC_ADDRESS: Form = {
  kind: 'macAddress',
  name: 'MAC address',
  leading: [1, 2, 3, 4],
  read(text, start) {
    const found = matchAt(MAC, text, start);
    // Digits with dashes or dots alone are some other number.
    if (found === undefined || !/[a-f:]/i.test(found) || /^(?:0|f|\W)+$/i.test(found)) return undefined;
    return /[:.-]/.test(text.charAt(start - 1)) ? undefined : { start, end: start + found.length };
  },
};
