import type { DomainInfo, DomainStatistics, MachineInfo } from "@xen-node/control";
import { right, tenths } from "../columns.ts";
import { SHUTDOWN_CRASH } from "../shutdown-reason.ts";

/** What is known at one time. */
export interface TopSample {
  /** Any clock's, ns. */
  timeNs: number;
  machine: MachineInfo;
  domains: readonly DomainInfo[];
  statistics: readonly DomainStatistics[];
}

const COLUMNS: [title: string, width: number][] = [
  ["NAME", 10],
  ["STATE", 6],
  ["CPU(sec)", 10],
  ["CPU(%)", 6],
  ["MEM(k)", 10],
  ["MEM(%)", 6],
  ["MAXMEM(k)", 10],
  ["MAXMEM(%)", 9],
  ["VCPUS", 5],
  ["NETS", 4],
  ["NETTX(k)", 8],
  ["NETRX(k)", 8],
  ["VBDS", 4],
  ["VBD_OO", 8],
  ["VBD_RD", 8],
  ["VBD_WR", 8],
  ["VBD_RSECT", 10],
  ["VBD_WSECT", 10],
  ["SSID", 4],
];

const row = (cells: readonly string[]): string => cells.map((cell, at) => right(cell, COLUMNS[at][1])).join(" ");
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const kib = (bytes: number): string => String(Math.floor(bytes / 1024));

/** xentop's table. @param before the sample before this one, for the share of the processor since */
export function topTable(sample: TopSample, before: TopSample | undefined): string[] {
  return [row(COLUMNS.map(([title]) => title)), ...sample.domains.map((domain) => topRow(domain, sample, before))];
}

function topRow(domain: DomainInfo, sample: TopSample, before: TopSample | undefined): string {
  const totalKib = sample.machine.totalMemoryMib * 1024;
  const { networks = [], disks = [] } = sample.statistics.find(({ domid }) => domid === domain.domid) ?? {};
  const earlier = before?.domains.find(({ domid }) => domid === domain.domid);
  const usedNs = earlier === undefined ? 0 : domain.timeNs - earlier.timeNs;
  const passedNs = before === undefined ? 1 : Math.max(1, sample.timeNs - before.timeNs);
  const isDom0 = domain.domid === 0;
  return row([
    domain.name.slice(0, 10),
    topState(domain),
    String(Math.floor(domain.timeNs / 1e9)),
    tenths(Math.max(0, (usedNs * 100) / passedNs), 6),
    String(domain.memoryKib),
    tenths((domain.memoryKib * 100) / totalKib, 6),
    isDom0 ? "no limit" : String(domain.maxMemoryKib),
    isDom0 ? "n/a" : tenths((domain.maxMemoryKib * 100) / totalKib, 9),
    String(domain.vcpus.filter(({ online }) => online).length),
    String(networks.length),
    kib(sum(networks.map(({ sentBytes }) => sentBytes))),
    kib(sum(networks.map(({ receivedBytes }) => receivedBytes))),
    String(disks.length),
    String(sum(disks.map(({ waits }) => waits))),
    String(sum(disks.map(({ reads }) => reads))),
    String(sum(disks.map(({ writes }) => writes))),
    String(sum(disks.map(({ readSectors }) => readSectors))),
    String(sum(disks.map(({ writtenSectors }) => writtenSectors))),
    "0",
  ]);
}

const shutDown = ({ shutdownReason }: DomainInfo): boolean => shutdownReason !== null;
const crashed = ({ shutdownReason }: DomainInfo): boolean => shutdownReason === SHUTDOWN_CRASH;

/** xentop's order of letters is another than xl list's. */
function topState(domain: DomainInfo): string {
  const flags = [domain.dying, shutDown(domain), domain.blocked, crashed(domain), domain.paused, domain.running];
  return flags.map((flag, index) => (flag ? "dsbcpr"[index] : "-")).join("");
}

/** The lines above the table. @param time hh:mm:ss */
export function topSummary({ machine, domains }: TopSample, time: string): string[] {
  const count = (wanted: (domain: DomainInfo) => boolean): number => domains.filter(wanted).length;
  const totalKib = machine.totalMemoryMib * 1024;
  const freeKib = machine.freeMemoryMib * 1024;
  const states =
    `${count(({ running }) => running)} running, ${count(({ blocked }) => blocked)} blocked, ` +
    `${count(({ paused }) => paused)} paused, ${count(crashed)} crashed, ` +
    `${count(({ dying }) => dying)} dying, ${count(shutDown)} shutdown `;
  return [
    `xentop - ${time}   Xen ${machine.xenMajor}.${machine.xenMinor}${machine.xenExtra}`,
    `${domains.length} domains: ${states}`,
    `Mem: ${totalKib}k total, ${totalKib - freeKib}k used, ${freeKib}k free    CPUs: 1 @ ${machine.cpuMhz}MHz`,
  ];
}
