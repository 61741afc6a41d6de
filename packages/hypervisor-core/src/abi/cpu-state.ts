import { FS, GS } from "@xen-node/x86-cpu";
import {
  EFAULT,
  EINVAL,
  ENODEV,
  ENOSYS,
  PHYSDEVOP_set_iobitmap,
  PHYSDEVOP_set_iopl,
  SEGBASE_FS,
  SEGBASE_GS_KERNEL,
  SEGBASE_GS_USER,
  SEGBASE_GS_USER_SEL,
  VMASST_CMD_disable,
  VMASST_CMD_enable,
  VMASST_TYPE_runstate_update_flag,
} from "@xen-node/xen-abi";
import { isGuestRange } from "../address.ts";
import { loadDataSegment, raiseSelector } from "../segments.ts";
import type { HypercallHandler } from "./hypercall-args.ts";

/** stack_switch(ss, esp): where the kernel is entered from user mode. */
export const stackSwitch: HypercallHandler = (_hv, vcpu, args) => {
  vcpu.kernelSs = raiseSelector(vcpu.domain.abi, args.lo[0]);
  vcpu.kernelSp = args.va(1);
  return 0;
};

/** fpu_taskswitch(set) */
export const fpuTaskswitch: HypercallHandler = (hv, vcpu, args) => {
  hv.control.setTaskSwitched(vcpu, args.lo[0] !== 0);
  return 0;
};

export const setDebugreg: HypercallHandler = (hv, vcpu, args) =>
  hv.control.writeDr(vcpu, args.u32(0), args.lo[1], args.hi[1]);

export const getDebugreg: HypercallHandler = (hv, vcpu, args) => {
  const value = args.u32(0) < 8 ? hv.control.readDr(vcpu, args.u32(0)) : undefined;
  if (value === undefined) return -ENODEV;
  return (value.hi | 0) * 0x100000000 + (value.lo >>> 0);
};

/** set_segment_base(which, base or selector) */
export const setSegmentBase: HypercallHandler = (hv, vcpu, args) => {
  const { regs } = hv;
  // Any canonical address will do, those of the hypervisor too: it is the access that would fault.
  const canonical = !Number.isNaN(args.va(1));
  switch (args.u32(0)) {
    case SEGBASE_FS:
      if (!canonical) return -EINVAL;
      regs.setBase(FS, args.lo[1], args.hi[1]);
      return 0;
    case SEGBASE_GS_USER:
      if (!canonical) return -EINVAL;
      vcpu.gsBaseShadowLo = args.lo[1];
      vcpu.gsBaseShadowHi = args.hi[1];
      return 0;
    case SEGBASE_GS_KERNEL:
      if (!canonical) return -EINVAL;
      regs.setBase(GS, args.lo[1], args.hi[1]);
      return 0;
    case SEGBASE_GS_USER_SEL: {
      // The selector belongs to the user's GS base: the kernel's stays as it is.
      const kernelLo = regs.baseLo(GS);
      const kernelHi = regs.baseHi(GS);
      loadDataSegment(hv, vcpu, GS, args.lo[1] & 0xffff);
      vcpu.gsBaseShadowLo = regs.baseLo(GS);
      vcpu.gsBaseShadowHi = regs.baseHi(GS);
      regs.setBase(GS, kernelLo, kernelHi);
      return 0;
    }
    default:
      return -EINVAL;
  }
};

/** vm_assist(cmd, type) */
export const vmAssist: HypercallHandler = (_hv, vcpu, args) => {
  const type = args.u32(1);
  if (type > VMASST_TYPE_runstate_update_flag && !vcpu.domain.abi.otherVmAssists.includes(type)) return -EINVAL;
  switch (args.u32(0)) {
    case VMASST_CMD_enable:
      vcpu.domain.vmAssists.set(type, true);
      return 0;
    case VMASST_CMD_disable:
      vcpu.domain.vmAssists.set(type, false);
      return 0;
    default:
      return -ENOSYS;
  }
};

/** physdev_op(cmd, arg): what a domain without hardware may do. */
export const physdevOp: HypercallHandler = (hv, vcpu, args) => {
  const { guest } = hv;
  switch (args.u32(0)) {
    case PHYSDEVOP_set_iopl: {
      if (!guest.fetch(args.va(1), 4)) return -EFAULT;
      if (guest.u32[0] > 3) return -EINVAL;
      vcpu.iopl = guest.u32[0] << 12;
      return 0;
    }
    case PHYSDEVOP_set_iobitmap: {
      const { words, structs } = vcpu.domain.abi;
      const { offsets, size } = structs.physdev_set_iobitmap;
      if (!guest.fetch(args.va(1), size)) return -EFAULT;
      const va = words.readVa(guest.u32, offsets.bitmap);
      const ports = guest.u32[offsets.nr_ports >>> 2];
      if (ports > 65536 || (va !== 0 && !isGuestRange(va, (ports + 7) >>> 3))) return -EINVAL;
      vcpu.ioBitmapVa = va;
      vcpu.ioBitmapPorts = ports;
      return 0;
    }
    default:
      hv.logOnce(vcpu.domain, "hypercall", `physdev_op ${args.u32(0)} is not there: -ENOSYS`);
      return -ENOSYS;
  }
};
