import { type DiskJob, IMAGE_BYTES, type NetJob, ROUND_MS } from "./io-jobs.ts";
import { DONE_LINE, FAILURE_SIGN } from "./suite-script.ts";

/** Addresses as user-mode networks have them, QEMU's and ours: the host answers at the gateway's. */
export const GUEST_ADDRESS = "10.0.2.15";
export const OTHER_GUEST_ADDRESS = "10.0.2.16";
export const GATEWAY = "10.0.2.2";
/** Where a guest serves another. */
export const GUEST_PORT = 7000;

/** Lines of a shell script, each for a job and with a failure mark behind it; then the last mark. */
function script<J extends { readonly name: string }>(jobs: readonly J[], command: (job: J) => string): string {
  const lines = jobs.map((job) => `${command(job)} || echo "${FAILURE_SIGN}${job.name} $?"\n`);
  return `${lines.join("")}echo "${DONE_LINE}"\n`;
}

/**
 * Runs jobs on a disk or file, whose path is a word of the shell.
 *
 * @param caching overrides the jobs' own.
 */
export const diskScript = (
  io: string,
  path: string,
  jobs: readonly DiskJob[],
  rounds: number,
  caching?: "cached",
): string =>
  script(jobs, (job) =>
    [
      ...[io, "disk", job.name, path, job.pattern, caching ?? job.caching, job.block, job.depth],
      ...[job.passBytes, IMAGE_BYTES, ROUND_MS, rounds],
    ].join(" "),
  );

/** Runs jobs on a file by Node.js alone. Paths are words of the shell. */
export const nodeDiskScript = (
  node: string,
  program: string,
  api: "sync" | "promises",
  path: string,
  jobs: readonly DiskJob[],
  rounds: number,
): string =>
  script(jobs, (job) =>
    [
      ...[node, program, api, job.name, path, job.pattern, job.block, job.depth],
      ...[job.passBytes, IMAGE_BYTES, ROUND_MS, rounds],
    ].join(" "),
  );

/** Runs jobs against a server. */
export const netScript = (io: string, jobs: readonly NetJob[], address: string, port: number, rounds: number): string =>
  script(jobs, (job) => [io, "net", job.name, job.mode, address, port, job.pass, ROUND_MS, rounds].join(" "));

/** Serves another guest's jobs until the guest is ended. */
export const serveScript = (io: string): string => `${io} serve ${GUEST_PORT}\n`;

const WAIT_TRIES = 300;

/** Waits for a device that its driver makes when it has spoken with its backend. */
const waitFor = (test: string, what: string): string => `tries=${WAIT_TRIES}
until [ ${test} ]; do
  [ $((tries -= 1)) -gt 0 ] || { echo "There is no ${what}."; /bin/busybox poweroff -f; }
  /bin/busybox usleep 100000
done
echo "The guest has its ${what}."
`;

/** Waits until the guest has one of these disks, and names it "$disk". */
export const diskSetup = (devices: readonly string[]): string =>
  `${waitFor(devices.map((device) => `-b ${device}`).join(" -o "), "disk")}for disk in ${devices.join(" ")}; do [ -b $disk ] && break; done
`;

/** Gives the guest an address. */
export const netSetup = (address: string): string => `/bin/busybox ip link set lo up
${waitFor("-e /sys/class/net/eth0", "network device")}/bin/busybox ip addr add ${address}/24 dev eth0
/bin/busybox ip link set eth0 up
/bin/busybox ip route add default via ${GATEWAY} dev eth0
`;
