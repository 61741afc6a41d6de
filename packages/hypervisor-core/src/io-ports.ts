import { VMASST_TYPE_architectural_iopl } from "@xen-node/xen-abi";
import type { Hypervisor } from "./hypervisor.ts";
import type { Vcpu } from "./vcpu.ts";

const PCI_CONFIG_ADDRESS = 0xcf8;
const PIT_CHANNEL_2 = 0x42;
const PIT_CONTROL = 0x43;
const SYSTEM_CONTROL = 0x61;
const PIT_HZ = 1_193_182;
const ALL_ONES = 0xffffffff;

/** Whether the vcpu's I/O privilege level lets it execute CLI, STI, IN, OUT: a guest kernel counts as ring 1, or 0. */
export function iopLevelAllows(vcpu: Vcpu): boolean {
  const kernelRing = vcpu.domain.vmAssists.has(VMASST_TYPE_architectural_iopl) ? 0 : 1;
  return vcpu.iopl >>> 12 >= (vcpu.kernelMode ? kernelRing : 3);
}

/** IOPL, or clear bits in the bitmap that the guest registered by PHYSDEVOP_set_iobitmap. */
export function portAllowed(hv: Hypervisor, vcpu: Vcpu, port: number, size: number): boolean {
  if (iopLevelAllows(vcpu)) return true;
  if (vcpu.ioBitmapVa === 0 || port + size > vcpu.ioBitmapPorts) return false;
  const two = new Uint8Array(2);
  const read = hv.guest.readBytes(vcpu.ioBitmapVa + (port >>> 3), two, 2);
  if (read === 0) return false;
  if (read === 1) two[1] = 0xff;
  const bits = (two[0] | (two[1] << 8)) >>> (port & 7);
  return (bits & ((1 << size) - 1)) === 0;
}

/** Channel 2 of the timer chip and the speaker port: all that a guest without hardware has of a PC's timer. */
export class SpeakerTimer {
  private control = 0;
  private reload = 0;
  private highNext = false;
  private startNs = 0;

  read(port: number, now: number): number {
    if (port !== SYSTEM_CONTROL) return 0;
    const elapsed = ((now - this.startNs) * PIT_HZ) / 1e9;
    const out = this.reload > 0 && elapsed >= this.reload ? 0x20 : 0;
    const refresh = Math.floor(now / 15_085) & 1 ? 0x10 : 0;
    return (this.control & 3) | out | refresh;
  }

  write(port: number, value: number, now: number): void {
    if (port === SYSTEM_CONTROL) {
      if ((value & 1) !== 0 && (this.control & 1) === 0) this.startNs = now;
      this.control = value & 3;
    } else if (port === PIT_CONTROL) {
      if (value >>> 6 === 2) {
        this.highNext = false;
        this.reload = 0;
      }
    } else if (this.highNext) {
      this.reload = (this.reload & 0xff) | (value << 8) || 0x10000;
      this.highNext = false;
      this.startNs = now;
    } else {
      this.reload = value;
      this.highNext = true;
    }
  }
}

/** What an allowed IN of a domain without hardware reads. */
export function readPort(hv: Hypervisor, vcpu: Vcpu, port: number, size: number): number {
  const mask = size === 4 ? ALL_ONES : (1 << (8 * size)) - 1;
  if (port === PIT_CHANNEL_2 || port === PIT_CONTROL || port === SYSTEM_CONTROL) {
    return vcpu.domain.speakerTimer.read(port, hv.now()) & mask;
  }
  if (port === PCI_CONFIG_ADDRESS && size === 4) return vcpu.domain.pciConfigAddress;
  return mask;
}

/** An allowed OUT: remembered where reading it back matters, dropped elsewhere. */
export function writePort(hv: Hypervisor, vcpu: Vcpu, port: number, size: number, value: number): void {
  if (port === PIT_CHANNEL_2 || port === PIT_CONTROL || port === SYSTEM_CONTROL) {
    vcpu.domain.speakerTimer.write(port, value & 0xff, hv.now());
  } else if (port === PCI_CONFIG_ADDRESS && size === 4) {
    vcpu.domain.pciConfigAddress = value >>> 0;
  }
}
