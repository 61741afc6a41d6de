import { BlockFrontend } from "@xen-node/blkback";
import { NetworkFrontend } from "@xen-node/netback";
import { type BlockDevice, createMemoryDisk } from "@xen-node/virtual-disk";
import type { DeviceLab, LabGuest } from "./device-lab.ts";
import { numberedFrame, numberOf } from "./packets.ts";

const SECTORS = 2048;
const SECTORS_PER_ROUND = 96;

/** A guest that uses its disk beside a hostile one, and looks whether its data are its own. */
export class HonestDisk {
  /** Rounds in which everything was right. */
  rounds = 0;
  readonly guest: LabGuest;
  private readonly frontend: BlockFrontend;
  /** What was written last, by round: its bytes. */
  private readonly contents = new Uint8Array(SECTORS * 512);

  constructor(lab: DeviceLab, disk: BlockDevice = createMemoryDisk(SECTORS * 512)) {
    this.guest = lab.createGuest();
    const { front } = this.guest.addDisk(disk);
    this.frontend = new BlockFrontend({ store: this.guest.store, domain: this.guest.guest, path: front });
  }

  connect(): Promise<void> {
    return this.frontend.connect();
  }

  /** Writes somewhere, and reads that and another place. */
  async round(): Promise<void> {
    const { frontend, contents, rounds } = this;
    const at = (rounds * 37) % (SECTORS - SECTORS_PER_ROUND);
    const bytes = contents.subarray(at * 512, (at + SECTORS_PER_ROUND) * 512);
    for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 13 + (i >>> 9) * 7 + rounds * 31) & 0xff;
    await frontend.write(at, bytes);
    await frontend.flush();
    for (const sector of [at, (rounds * 101) % (SECTORS - SECTORS_PER_ROUND)]) {
      const found = await frontend.read(sector, SECTORS_PER_ROUND);
      const expected = contents.subarray(sector * 512, (sector + SECTORS_PER_ROUND) * 512);
      if (Buffer.compare(found, expected) !== 0) throw new Error(`an honest guest's disk has changed at ${sector}`);
    }
    this.rounds++;
  }
}

const MACS = ["00:16:3e:0a:00:01", "00:16:3e:0a:00:02"];
const FRAMES_PER_ROUND = 24;

/** Two guests that exchange frames beside a hostile one, and look whether all come and none is changed. */
export class HonestPair {
  rounds = 0;
  readonly guests: readonly LabGuest[];
  private readonly frontends: readonly NetworkFrontend[];
  private sent = 0;
  private readonly received = [0, 0];
  private fault: Error | undefined;
  private onReceived: () => void = () => {};
  private onConnected: () => void = () => {};

  constructor(lab: DeviceLab) {
    this.guests = MACS.map(() => lab.createGuest());
    this.frontends = this.guests.map((guest, i) => {
      const { front } = guest.addVif(MACS[i]);
      return new NetworkFrontend({
        store: guest.store,
        domain: guest.guest,
        path: front,
        onPacket: ({ bytes }) => this.receive(i, bytes),
        onConnected: () => this.onConnected(),
      });
    });
  }

  async connect(): Promise<void> {
    while (!this.frontends.every(({ connected }) => connected))
      await new Promise<void>((resolve) => {
        this.onConnected = resolve;
      });
  }

  /** Whether the backends serve both: only then do packets arrive. */
  get connected(): boolean {
    return this.guests.every(({ devices }) => devices.vifs.get(0)?.backend.connected === true);
  }

  /** Sends some frames each way, and resolves when all have come. */
  async round(): Promise<void> {
    for (let i = 0; i < FRAMES_PER_ROUND; i++) {
      const number = this.sent++;
      for (const from of [0, 1]) {
        const frame = numberedFrame({ from: MACS[from], to: MACS[1 - from] }, 64 + ((number * 97) % 1400), number);
        // The ring has room for more than a round.
        if (!this.frontends[from].send(frame)) throw new Error("an honest guest can't send");
      }
    }
    while (this.received.some((count) => count < this.sent)) {
      if (this.fault !== undefined) throw this.fault;
      await new Promise<void>((resolve) => {
        this.onReceived = resolve;
      });
    }
    this.rounds++;
  }

  private receive(to: number, bytes: Uint8Array): void {
    // The other's address is its own in the switch, so nobody else can have sent it.
    if (bytes[5] !== to + 1 || bytes[11] !== 2 - to) return;
    try {
      if (numberOf(bytes) !== this.received[to]) throw new Error(`frame ${this.received[to]} is missing`);
      this.received[to]++;
    } catch (error) {
      this.fault ??= error as Error;
    }
    this.onReceived();
  }
}
