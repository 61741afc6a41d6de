import {
  EFAULT,
  EINVAL,
  ENODATA,
  ENOSYS,
  XEN_CAPABILITIES_INFO_LEN,
  XEN_CHANGESET_INFO_LEN,
  XEN_EXTRAVERSION_LEN,
  XENFEAT_NR_SUBMAPS,
  XENVER_build_id,
  XENVER_capabilities,
  XENVER_changeset,
  XENVER_commandline,
  XENVER_compile_info,
  XENVER_extraversion,
  XENVER_get_features,
  XENVER_guest_handle,
  XENVER_pagesize,
  XENVER_platform_parameters,
  XENVER_version,
} from "@xen-node/xen-abi";
import type { Hypervisor } from "../hypervisor.ts";
import { XEN_COMPILER } from "../xen-identity.ts";
import type { HypercallHandler } from "./hypercall-args.ts";

const PAGE_BYTES = 4096;
const COMPILE_INFO_BYTES = 64 + 16 + 32 + 32;
const COMMANDLINE_BYTES = 1024;
const GUEST_HANDLE_BYTES = 16;

function storeText(hv: Hypervisor, va: number, text: string, length: number): number {
  const { guest } = hv;
  guest.scratch.fill(0, 0, length);
  for (let i = 0; i < Math.min(text.length, length - 1); i++) guest.scratch[i] = text.charCodeAt(i);
  return guest.store(va, length) ? 0 : -EFAULT;
}

/** xen_version(cmd, argument *) */
export const xenVersion: HypercallHandler = (hv, vcpu, args) => {
  const { guest } = hv;
  const va = args.va(1);
  const calls = vcpu.domain.hypercalls.version;
  const { words, virtStart } = vcpu.domain.abi;
  switch (args.u32(0)) {
    case XENVER_version:
      return calls.version();
    case XENVER_extraversion:
      return storeText(hv, va, calls.extraversion(), XEN_EXTRAVERSION_LEN);
    case XENVER_compile_info:
      return storeText(hv, va, XEN_COMPILER, COMPILE_INFO_BYTES);
    case XENVER_capabilities:
      return storeText(hv, va, calls.capabilities(), XEN_CAPABILITIES_INFO_LEN);
    case XENVER_changeset:
      return storeText(hv, va, calls.changeset(), XEN_CHANGESET_INFO_LEN);
    case XENVER_platform_parameters:
      words.write(guest.view, 0, virtStart);
      return guest.store(va, words.bytes) ? 0 : -EFAULT;
    case XENVER_get_features: {
      if (!guest.fetch(va, 8)) return -EFAULT;
      const submap = guest.u32[0];
      if (submap >= XENFEAT_NR_SUBMAPS) return -EINVAL;
      guest.u32[1] = calls.features(submap);
      return guest.store(va, 8) ? 0 : -EFAULT;
    }
    case XENVER_pagesize:
      return args.lo[1] === 0 && args.hi[1] === 0 ? PAGE_BYTES : -EINVAL;
    case XENVER_guest_handle:
      guest.scratch.set(calls.guestHandle());
      return guest.store(va, GUEST_HANDLE_BYTES) ? 0 : -EFAULT;
    case XENVER_commandline:
      return storeText(hv, va, calls.commandline(), COMMANDLINE_BYTES);
    case XENVER_build_id:
      return -ENODATA;
    default:
      return -ENOSYS;
  }
};
