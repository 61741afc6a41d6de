import { array, struct, structPerAbi } from "../layout/spec.ts";

// xen/include/public/arch-x86/xen.h, xen-x86_64.h, xen-x86_32.h

export const trap_info = struct("trap_info", { vector: "u8", flags: "u8", cs: "u16", address: "ulong" });

export const cpu_user_regs = structPerAbi("cpu_user_regs", {
  x86_64: {
    r15: "u64",
    r14: "u64",
    r13: "u64",
    r12: "u64",
    rbp: "u64",
    rbx: "u64",
    r11: "u64",
    r10: "u64",
    r9: "u64",
    r8: "u64",
    rax: "u64",
    rcx: "u64",
    rdx: "u64",
    rsi: "u64",
    rdi: "u64",
    error_code: "u32",
    entry_vector: "u32",
    rip: "u64",
    cs: "u16",
    _pad0: array("u16", 1),
    saved_upcall_mask: "u8",
    _pad1: array("u8", 3),
    rflags: "u64",
    rsp: "u64",
    ss: "u16",
    _pad2: array("u16", 3),
    es: "u16",
    _pad3: array("u16", 3),
    ds: "u16",
    _pad4: array("u16", 3),
    fs: "u16",
    _pad5: array("u16", 3),
    gs: "u16",
    _pad6: array("u16", 3),
  },
  x86_32: {
    ebx: "u32",
    ecx: "u32",
    edx: "u32",
    esi: "u32",
    edi: "u32",
    ebp: "u32",
    eax: "u32",
    error_code: "u16",
    entry_vector: "u16",
    eip: "u32",
    cs: "u16",
    saved_upcall_mask: "u8",
    _pad0: "u8",
    eflags: "u32",
    esp: "u32",
    ss: "u16",
    _pad1: "u16",
    es: "u16",
    _pad2: "u16",
    ds: "u16",
    _pad3: "u16",
    fs: "u16",
    _pad4: "u16",
    gs: "u16",
    _pad5: "u16",
  },
});

const contextHead = {
  fpu_ctxt: struct(null, { x: array("char", 512) }),
  flags: "ulong",
  user_regs: cpu_user_regs,
  trap_ctxt: array(trap_info, 256),
  ldt_base: "ulong",
  ldt_ents: "ulong",
  gdt_frames: array("ulong", 16),
  gdt_ents: "ulong",
  kernel_ss: "ulong",
  kernel_sp: "ulong",
  ctrlreg: array("ulong", 8),
  debugreg: array("ulong", 8),
} as const;

export const vcpu_guest_context = structPerAbi("vcpu_guest_context", {
  x86_64: {
    ...contextHead,
    event_callback_eip: "ulong",
    failsafe_callback_eip: "ulong",
    syscall_callback_eip: "ulong",
    vm_assist: "ulong",
    fs_base: "u64",
    gs_base_kernel: "u64",
    gs_base_user: "u64",
  },
  x86_32: {
    ...contextHead,
    event_callback_cs: "ulong",
    event_callback_eip: "ulong",
    failsafe_callback_cs: "ulong",
    failsafe_callback_eip: "ulong",
    vm_assist: "ulong",
  },
});

const archSharedInfo = {
  max_pfn: "ulong",
  pfn_to_mfn_frame_list_list: "pfn",
  nmi_reason: "ulong",
  p2m_cr3: "ulong",
  p2m_vaddr: "ulong",
  p2m_generation: "ulong",
} as const;

export const arch_shared_info = structPerAbi("arch_shared_info", {
  x86_64: archSharedInfo,
  x86_32: { ...archSharedInfo, wc_sec_hi: "u32" },
});

export const arch_vcpu_info = structPerAbi("arch_vcpu_info", {
  x86_64: { cr2: "ulong", pad: "ulong" },
  x86_32: { cr2: "ulong", pad: array("ulong", 5) },
});

/** Frame that HYPERVISOR_iret of a 64-bit guest takes from the guest's stack, lowest address first. */
export const iret_context = struct("iret_context", {
  rax: "u64",
  r11: "u64",
  rcx: "u64",
  flags: "u64",
  rip: "u64",
  cs: "u64",
  rflags: "u64",
  rsp: "u64",
  ss: "u64",
});

/** Address of a 32-bit guest's callback. (A 64-bit guest's `xen_callback_t` is a plain `ulong`.) */
export const xen_callback = struct("xen_callback", { cs: "ulong", eip: "ulong" });

export const xen_cpuid_leaf = struct("xen_cpuid_leaf", {
  leaf: "u32",
  subleaf: "u32",
  a: "u32",
  b: "u32",
  c: "u32",
  d: "u32",
});

export const xen_msr_entry = struct("xen_msr_entry", { idx: "u32", flags: "u32", val: "u64" });
