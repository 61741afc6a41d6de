import type { Domain, Hypercalls, Hypervisor } from "../../src/index.ts";
import type { Draw } from "./draw.ts";
import type { Tally } from "./tally.ts";
import type { FuzzWorld } from "./world.ts";

const DOMID_SELF = 0x7ff0;
const GTF_permit_access = 1;

/** A domain in TypeScript that calls the typed interface with anything, numbers that no register could hold included. */
export class TypedGuest {
  readonly domain: Domain;
  /** Ports that became pending. */
  events = 0;
  private readonly frames: number[] = [];
  private readonly handles: number[] = [];
  private readonly ports: number[] = [1];

  constructor(
    hv: Hypervisor,
    private readonly draw: Draw,
    private readonly tally: Tally,
    domid: number,
    privileged: boolean,
  ) {
    this.domain = hv.createDomain({
      kind: "typescript",
      domid,
      maxPages: 48,
      privileged,
      maxEventChannel: 127,
      maxGrantFrames: 2,
      maxMaptrackFrames: 1,
      onEvent: () => {
        this.events++;
      },
    });
    for (let i = 0; i < 24; i++) this.frames.push(this.domain.hypercalls.memory.increaseReservation());
  }

  get domid(): number {
    return this.domain.domid;
  }

  private get calls(): Hypercalls {
    return this.domain.hypercalls;
  }

  private odd(): number {
    return this.draw.pick([Number.NaN, -1, 1.5, 2 ** 32, 2 ** 53, Number.POSITIVE_INFINITY, 0xffffffff, 0x7fffffff]);
  }

  private or(value: number): number {
    return this.draw.oneIn(25) ? this.odd() : value;
  }

  private domidArg(world: FuzzWorld): number {
    return this.or(this.draw.oneIn(3) ? DOMID_SELF : this.draw.pick(world.domids));
  }

  private port(): number {
    return this.or(this.draw.pick(this.ports));
  }

  private frame(world: FuzzWorld): number {
    if (this.draw.oneIn(6)) return this.or(this.draw.pick(world.framesNotOf(this.domid)));
    return this.or(this.draw.pick(this.frames));
  }

  /** Makes one call. */
  step(world: FuzzWorld): void {
    const group = this.draw.below(10);
    if (group < 4) this.eventCall(world);
    else if (group < 8) this.grantCall(world);
    else this.otherCall(world);
  }

  private count(name: string, result: number | string): void {
    this.tally.add(`typed ${name}`, result);
  }

  private eventCall(world: FuzzWorld): void {
    const { draw } = this;
    const { eventChannel } = this.calls;
    switch (draw.below(12)) {
      case 0: {
        const remote = this.domidArg(world);
        const port = eventChannel.allocUnbound(draw.oneIn(6) ? this.domidArg(world) : DOMID_SELF, remote);
        this.count("allocUnbound", port);
        if (port > 0) {
          this.ports.push(port);
          world.offerPort(this.domid, port, remote);
        }
        break;
      }
      case 1:
      case 2: {
        const offer = draw.pick([...world.ports, { domid: 0, port: 1 }]);
        const port = eventChannel.bindInterdomain(this.or(offer.domid), this.or(offer.port));
        this.count("bindInterdomain", port);
        if (port > 0) this.ports.push(port);
        break;
      }
      case 3:
        this.count("bindVirq", eventChannel.bindVirq(this.or(draw.below(24)), this.or(0)));
        break;
      case 4:
        this.count("bindIpi", eventChannel.bindIpi(this.or(draw.below(2))));
        break;
      case 5:
        this.count("close", eventChannel.close(this.port()));
        break;
      case 6: {
        const status = eventChannel.status(this.domidArg(world), this.port());
        this.count("status", typeof status === "number" ? status : 0);
        break;
      }
      case 7:
        this.count("unmask", eventChannel.unmask(this.port()));
        break;
      case 8:
        this.count("bindVcpu", eventChannel.bindVcpu(this.port(), this.or(0)));
        break;
      case 9:
        if (draw.oneIn(8)) this.count("reset", eventChannel.reset(this.domidArg(world)));
        else this.count("setPriority", eventChannel.setPriority(this.port(), this.or(draw.below(20))));
        break;
      case 10: {
        const frame = this.frame(world);
        if (draw.oneIn(2)) this.count("initControl", eventChannel.initControl(frame, this.or(0), this.or(0)));
        else this.count("expandArray", eventChannel.expandArray(frame));
        break;
      }
      default:
        this.count("send", eventChannel.send(this.port()));
    }
    if (this.ports.length > 16) this.ports.shift();
  }

  /** As `count`, for the grant table's own statuses. */
  private status(name: string, status: number): void {
    this.count(name, status < 0 ? `status ${status}` : 0);
  }

  private grantCall(world: FuzzWorld): void {
    const { draw } = this;
    const { grantTable } = this.calls;
    const offer = draw.pick([...world.grants, { domid: 0, ref: 8 }]);
    switch (draw.below(11)) {
      case 0:
      case 1: {
        const mapping = grantTable.mapGrantRef(
          this.or(offer.domid),
          this.or(offer.ref),
          this.or(draw.pick([2, 6, 3, 7, 0])),
        );
        this.status("mapGrantRef", mapping.status);
        if (mapping.status === 0) this.handles.push(mapping.handle);
        break;
      }
      case 2:
      case 3: {
        const handle = this.handles.length > 0 ? draw.pick(this.handles) : 0;
        const status = grantTable.unmapGrantRef(this.or(handle));
        this.status("unmapGrantRef", status);
        if (status === 0) this.handles.splice(this.handles.indexOf(handle), 1);
        break;
      }
      case 4: {
        const source = draw.oneIn(2)
          ? { domid: offer.domid, ref: this.or(offer.ref) }
          : { domid: this.domidArg(world), gfn: this.frame(world) };
        const dest = draw.oneIn(2)
          ? { domid: offer.domid, ref: this.or(offer.ref) }
          : { domid: DOMID_SELF, gfn: this.frame(world) };
        const length = this.or(draw.pick([0, 1, 64, 4096]));
        this.status(
          "copy",
          grantTable.copy({ ...source, offset: this.or(0) }, { ...dest, offset: this.or(0) }, length),
        );
        break;
      }
      case 5:
        this.status(
          "copyFromGrant",
          grantTable.copyFromGrant(
            this.or(offer.domid),
            this.or(offer.ref),
            this.or(draw.below(4096)),
            new Uint8Array(draw.below(5000)),
          ),
        );
        break;
      case 6:
        this.status(
          "copyToGrant",
          grantTable.copyToGrant(
            this.or(offer.domid),
            this.or(offer.ref),
            this.or(draw.below(4096)),
            new Uint8Array(draw.below(5000)),
          ),
        );
        break;
      case 7: {
        const frames = grantTable.setupTable(this.domidArg(world), this.or(draw.below(4)));
        this.status("setupTable", typeof frames === "number" ? frames : 0);
        break;
      }
      case 8:
        this.status("querySize", grantTable.querySize(this.domidArg(world)).status);
        break;
      case 9:
        this.count("setVersion", grantTable.setVersion(this.or(draw.below(4))));
        this.count("getVersion", grantTable.getVersion(this.domidArg(world)));
        break;
      default: {
        const ref = 8 + draw.below(24);
        const grantee = draw.pick(world.domids);
        if (grantTable.writeEntry(ref, draw.pick([0, GTF_permit_access, 5, 1]), grantee, draw.pick(this.frames)))
          world.offerGrant(this.domid, ref, grantee);
      }
    }
    if (this.handles.length > 16) this.handles.shift();
  }

  private otherCall(world: FuzzWorld): void {
    const { draw } = this;
    const { memory, sched, version, console } = this.calls;
    switch (draw.below(10)) {
      case 0:
      case 1: {
        const mfn = memory.increaseReservation();
        this.count("increaseReservation", mfn);
        if (mfn > 0) this.frames.push(mfn);
        break;
      }
      case 2: {
        const mfn = this.frame(world);
        const rc = memory.decreaseReservation(mfn);
        this.count("decreaseReservation", rc);
        if (rc === 0 && this.frames.length > 1) this.frames.splice(this.frames.indexOf(mfn), 1);
        break;
      }
      case 3:
      case 4: {
        const bytes = memory.frameBytes(this.frame(world));
        this.count("frameBytes", bytes === undefined ? "undefined" : bytes.length);
        // Only while it is the domain's: a view is not to be kept.
        bytes?.set([1, 2, 3], 8);
        break;
      }
      case 5:
        memory.noteWritten(this.frame(world), this.or(0), this.or(4096));
        this.count("noteWritten", 0);
        break;
      case 6:
        this.count("reservations", memory.currentReservation(this.domidArg(world)));
        this.count("reservations", memory.maximumReservation(this.domidArg(world)));
        break;
      case 7:
        this.count("features", version.features(this.or(draw.below(3))));
        break;
      case 8:
        this.count("console write", console.write(new Uint8Array(draw.below(64))));
        break;
      default:
        if (!this.domain.privileged)
          this.count("remoteShutdown", sched.remoteShutdown(this.domidArg(world), this.or(0)));
    }
  }
}
