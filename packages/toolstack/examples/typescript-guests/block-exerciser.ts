import type { DiskDevice, GuestProgram, GuestRuntime } from "@xen-node/guest-runtime";

const MOST_SECTORS = 128;

/**
 * Writes random stretches of its first disk, reads others back, and compares. `cmdline`: "rounds=200 seed=1". Ends with a
 * crash when a byte is not what was written last.
 */
export class BlockExerciser implements GuestProgram {
  private state = 1;

  constructor(private readonly runtime: GuestRuntime) {}

  async run(): Promise<void> {
    const { console, commandLine, timers } = this.runtime;
    const rounds = setting(commandLine, "rounds", 200);
    this.state = setting(commandLine, "seed", 1);
    const disk = await this.runtime.openDisk();
    const contents = new Uint8Array(disk.sectors * 512);
    await this.fillDisk(disk, contents);
    const start = timers.nowNs;
    for (let round = 0; round < rounds; round++) await this.round(disk, contents, round);
    await disk.flush();
    await disk.close();
    const ms = Math.round((timers.nowNs - start) / 1e6);
    await console.print(`${rounds} rounds on ${disk.sectors} sectors in ${ms} ms: all as written`);
  }

  private async fillDisk(disk: DiskDevice, contents: Uint8Array): Promise<void> {
    for (let sector = 0; sector < disk.sectors; sector += MOST_SECTORS) {
      const count = Math.min(MOST_SECTORS, disk.sectors - sector);
      await disk.write(sector, contents.subarray(sector * 512, (sector + count) * 512));
    }
  }

  /** Several requests at once, a flush at times, then a stretch read back. */
  private async round(disk: DiskDevice, contents: Uint8Array, round: number): Promise<void> {
    for (let i = 0; i < 3; i++) {
      const { at, count } = this.stretch(disk.sectors);
      const bytes = contents.subarray(at * 512, (at + count) * 512);
      for (let n = 0; n < bytes.length; n++) bytes[n] = (n * 31 + round * 7 + at + i) & 0xff;
      await disk.write(at, bytes);
    }
    if (round % 16 === 0) await disk.flush();
    const reads = await Promise.all(
      [0, 1, 2].map(async () => {
        const { at, count } = this.stretch(disk.sectors);
        return { at, found: await disk.read(at, count) };
      }),
    );
    for (const { at, found } of reads) {
      const wrong = found.findIndex((byte, n) => byte !== contents[at * 512 + n]);
      if (wrong >= 0) throw new Error(`round ${round}: sector ${at + Math.floor(wrong / 512)} is not as written`);
    }
  }

  private stretch(sectors: number): { at: number; count: number } {
    const count = 1 + this.below(Math.min(MOST_SECTORS, sectors));
    return { at: this.below(sectors - count + 1), count };
  }

  private below(n: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * n);
  }
}

function setting(commandLine: string, name: string, otherwise: number): number {
  const match = new RegExp(`\\b${name}=(\\d+)`).exec(commandLine);
  return match === null ? otherwise : Number(match[1]);
}
