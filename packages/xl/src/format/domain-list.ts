import type { DomainInfo } from "@xen-node/control";
import { left, right, tenths } from "../columns.ts";
import { SHUTDOWN_CRASH } from "../shutdown-reason.ts";

const HEADER = "Name                                        ID   Mem VCPUs\tState\tTime(s)";
const VERBOSE_HEADER = "   UUID                            Reason-Code\tSecurity Label";
const NO_LABEL = "-";

/** The lines of `xl list`. */
export function domainList(domains: readonly DomainInfo[], { verbose = false } = {}): string[] {
  return [verbose ? HEADER + VERBOSE_HEADER : HEADER, ...domains.map((domain) => row(domain, verbose))];
}

function row(domain: DomainInfo, verbose: boolean): string {
  const online = domain.vcpus.filter((vcpu) => vcpu.online).length;
  const plain =
    `${left(domain.name, 40)} ${right(domain.domid, 5)} ${right(Math.floor(domain.memoryKib / 1024), 5)} ` +
    `${right(online, 5)}     ${stateLetters(domain)}  ${tenths(domain.timeNs / 1e9, 8)}`;
  if (!verbose) return plain;
  const reason = domain.shutdownReason === null ? "-" : domain.shutdownReason.toString(16);
  return `${plain} ${domain.uuid} ${right(reason, 8)} ${right(NO_LABEL, 16)}`;
}

/** running, blocked, paused, shut down, crashed, dying */
export function stateLetters(domain: DomainInfo): string {
  const { running, blocked, paused, shutdownReason, dying } = domain;
  const flags = [running, blocked, paused, shutdownReason !== null, shutdownReason === SHUTDOWN_CRASH, dying];
  return flags.map((flag, index) => (flag ? "rbpscd"[index] : "-")).join("");
}
