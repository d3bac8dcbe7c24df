/** Which addresses a webhook may reach: whoever names a receiver must not thereby reach what stands behind the firewall. */
import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

function ranges(...blocks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [address, prefix] of blocks) list.addSubnet(address, prefix, address.includes(':') ? 'ipv6' : 'ipv4');
  return list;
}

const LOOPBACK = ranges(['127.0.0.0', 8], ['::1', 128]);
/** Metadata services of clouds, multicast, what is no host, and IPv6 forms that stand for an IPv4 address elsewhere. */
const NEVER = ranges(
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['64:ff9b::', 96],
  ['100::', 64],
  ['2001::', 32],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
  ['ff00::', 8],
);
const PRIVATE = ranges(['10.0.0.0', 8], ['100.64.0.0', 10], ['172.16.0.0', 12], ['192.168.0.0', 16], ['fc00::', 7]);

/** Plain http may go to this very machine: nobody stands between. */
export function isPlainAllowed(url: URL): boolean {
  return isLoopbackName(hostOf(url));
}

/** Without the brackets of IPv6. */
export function hostOf(url: URL): string {
  return url.hostname.replaceAll(/^\[|\]$/g, '');
}

function isLoopbackName(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && isIn(LOOPBACK, host));
}

/** Why this address is refused for a receiver called `host`; undefined when it is not. */
export function addressProblem(address: string, host: string, allowPrivateNetwork: boolean): string | undefined {
  if (isIP(address) === 0) return 'is no address';
  if (isIn(NEVER, address)) return 'is an address that no receiver may have';
  // A public name that leads back to this machine is somebody's trick, not a receiver.
  if (isIn(LOOPBACK, address) && !isLoopbackName(host)) return 'is this machine, under the name of another';
  if (isIn(PRIVATE, address) && !allowPrivateNetwork) {
    return 'is in a private network: say `allowPrivateNetwork: true` where it is meant';
  }
  return undefined;
}

/** IPv4 written as IPv6 (`::ffff:10.0.0.1`) is judged as what it is: the block list knows. */
function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** The look-up of the connection itself, so that what was checked is what is connected to. */
export function guardedLookup(allowPrivateNetwork: boolean): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, '', 0);
      const problem = found
        .map(({ address }) => addressProblem(address, host, allowPrivateNetwork))
        .find((one) => one !== undefined);
      const [first] = found;
      if (problem !== undefined || first === undefined) {
        return callback(new Error(problem ?? 'has no address'), '', 0);
      }
      if (options.all === true) return callback(null, found);
      callback(null, first.address, first.family);
    });
  };
}
