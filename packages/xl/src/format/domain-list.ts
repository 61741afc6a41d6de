import type { DomainInfo } from "@xen-node/control";
import { left, right, tenths } from "../columns.ts";

const HEADER = "Name                                        ID   Mem VCPUs\tState\tTime(s)";
const VERBOSE_HEADER = "   UUID                            Reason-Code\tSecurity Label";
const NO_LABEL = "-";

/** What stands behind the columns that every list has, in this order. */
export interface DomainColumns {
  /** UUID, why it shut down, and what `context` adds. */
  verbose?: boolean;
  /** The security label: there are none. */
  context?: boolean;
  /** Memory that is set aside for it but is not its own yet, MiB. */
  claims?: boolean;
  cpupool?: boolean;
  /** The memory nodes that it prefers. */
  numa?: boolean;
}

/** A machine has one memory node. */
const NODES = "all";
/** Memory becomes a domain's when it is created, so that nothing is claimed for it. */
const CLAIMED_MIB = 0;

/** The lines of `xl list` and `xl claims`. */
export function domainList(domains: readonly DomainInfo[], columns: DomainColumns = {}): string[] {
  const { verbose, context, claims, cpupool, numa } = columns;
  const header = [
    HEADER,
    ...(verbose ? [VERBOSE_HEADER] : []),
    ...(context && !verbose ? ["   Security Label"] : []),
    ...(claims ? ["  Claimed"] : []),
    ...(cpupool ? ["         Cpupool"] : []),
    ...(numa ? [" NODE Affinity"] : []),
  ];
  return [header.join(""), ...domains.map((domain) => row(domain, columns))];
}

function row(domain: DomainInfo, { verbose, context, claims, cpupool, numa }: DomainColumns): string {
  const online = domain.vcpus.filter((vcpu) => vcpu.online).length;
  const plain =
    `${left(domain.name, 40)} ${right(domain.domid, 5)} ${right(Math.floor(domain.memoryKib / 1024), 5)} ` +
    `${right(online, 5)}     ${stateLetters(domain)}  ${tenths(domain.timeNs / 1e9, 8)}`;
  const reason = domain.shutdownReason === null ? "-" : domain.shutdownReason.toString(16);
  return [
    plain,
    ...(verbose ? [` ${domain.uuid} ${right(reason, 8)}`] : []),
    ...(claims ? [` ${right(CLAIMED_MIB, 5)}`] : []),
    ...(verbose || context ? [` ${right(NO_LABEL, 16)}`] : []),
    ...(cpupool ? [right(domain.pool, 16)] : []),
    ...(numa ? [` ${NODES}`] : []),
  ].join("");
}

/** Why it shut down, by SHUTDOWN_*: poweroff has none; then reboot, suspend, crash, watchdog and soft reset. */
const REASON_LETTERS = "-rscwS";

/** running, blocked, paused, shut down, why, dying */
function stateLetters({ running, blocked, paused, shutdownReason, dying }: DomainInfo): string {
  const reason = REASON_LETTERS[shutdownReason ?? 0] ?? "?";
  const flag = (isSet: boolean, letter: string): string => (isSet ? letter : "-");
  return [
    flag(running, "r"),
    flag(blocked, "b"),
    flag(paused, "p"),
    flag(shutdownReason !== null, "s"),
    reason,
    flag(dying, "d"),
  ].join("");
}

/** The lines of `xl sharing`. @param shared memory in pages that other domains have as well, KiB; domains without any may be left out */
export function sharingLines(
  domains: readonly DomainInfo[],
  shared: readonly { domid: number; sharedKib: number }[],
): string[] {
  const mib = (kib: number): string => right(Math.floor(kib / 1024), 5);
  return [
    "Name                                        ID   Mem Shared",
    ...domains.map(({ name, domid, memoryKib }) => {
      const { sharedKib = 0 } = shared.find((each) => each.domid === domid) ?? {};
      return `${left(name, 40)} ${right(domid, 5)} ${mib(memoryKib)}  ${mib(sharedKib)}`;
    }),
  ];
}

/** The lines of `xl vm-list`. */
export function vmLines(domains: readonly DomainInfo[]): string[] {
  return [
    "UUID                                  ID    name",
    ...domains.map(({ uuid, domid, name }) => `${uuid}  ${domid}    ${left(name, 30)}`),
  ];
}
