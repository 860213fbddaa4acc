/** Which IP addresses belong to the public internet: everything else is somebody's inside. */
import { BlockList, isIP } from 'node:net';

/** IANA IPv4 Special-Purpose Address Registry, multicast and reserved space. */
const SPECIAL_IPV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/** Parts of 2000::/3 that are not ordinary hosts: protocol assignments with Teredo, documentation, 6to4. */
const SPECIAL_IPV6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

/** Prefixes whose last 32 bits are an IPv4 address: v4-mapped (RFC 4291) and the well-known NAT64 (RFC 6052). */
const IPV4_WITHIN_IPV6 = ['::ffff:', '64:ff9b::'];

const special = new BlockList();
/** Global unicast; loopback, link-local, unique local, site-local and multicast lie outside. */
const possible = new BlockList();
possible.addSubnet('2000::', 3, 'ipv6');
for (const [network, bits] of SPECIAL_IPV6) special.addSubnet(network, bits, 'ipv6');
for (const prefix of IPV4_WITHIN_IPV6) possible.addSubnet(`${prefix}0.0.0.0`, 96, 'ipv6');
for (const [network, bits] of SPECIAL_IPV4) {
  special.addSubnet(network, bits, 'ipv4');
  for (const prefix of IPV4_WITHIN_IPV6) {
    special.addSubnet(`${prefix}${network}`, 96 + bits, 'ipv6');
  }
}

/** Whether an IP address in its text form is public; false for anything that is no address, or carries a zone. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4');
    case 6:
      return (
        !address.includes('%') && possible.check(address, 'ipv6') && !special.check(address, 'ipv6')
      );
    default:
      return false;
  }
}
