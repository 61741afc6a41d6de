/** Instructions without cases, with the reason. */
export const excludedForms: ReadonlyMap<string, string> = new Map([
  ["syscall", "enters the operating system"],
  ["sysenter", "enters the operating system (#UD in long mode on AMD's processors)"],
  ["vmcall", "goes to the hypervisor that the machine may run under"],
  ["vmmcall", "goes to the hypervisor that the machine may run under"],
  ["cpuid", "shows another processor"],
  ["rdtsc", "shows another time"],
  ["rdtscp", "shows another time"],
  ["rdpmc", "depends on CR4.PCE and shows the machine's counters"],
  ["xgetbv", "shows another XCR0"],
  ["int1", "the hypervisor that the machine may run under reports it as a fault"],
  ["monitor", "#UD on AMD's processors above CPL 0, #GP on Intel's"],
  ["mwait", "#UD on AMD's processors above CPL 0, #GP on Intel's"],
  ["sgdt", "UMIP: emulated or refused by the operating system"],
  ["sidt", "UMIP: emulated or refused by the operating system"],
  ["sldt", "UMIP: emulated or refused by the operating system"],
  ["str", "UMIP: emulated or refused by the operating system"],
  ["smsw", "UMIP: emulated or refused by the operating system"],
]);

/** Forms by the beginning of their name, where other forms of the mnemonic have cases. */
export const excludedNames: readonly (readonly [name: string, reason: string])[] = [
  ["nop Ev [0F 0D]", "#UD with a register on AMD's processors; with memory they are PREFETCH"],
  ["callf Mp [FF /3] 64", "AMD's processors have no far pointers with 64-bit offsets"],
  ["jmpf Mp [FF /5] 64", "AMD's processors have no far pointers with 64-bit offsets"],
  ["lss Gv,Mp [0F B2 mem] 64", "AMD's processors have no far pointers with 64-bit offsets"],
  ["lfs Gv,Mp [0F B4 mem] 64", "AMD's processors have no far pointers with 64-bit offsets"],
  ["lgs Gv,Mp [0F B5 mem] 64", "AMD's processors have no far pointers with 64-bit offsets"],
];
