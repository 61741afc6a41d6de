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
  ["monitor", "#UD on AMD's processors above CPL 0, #GP on Intel's"],
  ["mwait", "#UD on AMD's processors above CPL 0, #GP on Intel's"],
  ["sgdt", "UMIP: emulated or refused by the operating system"],
  ["sidt", "UMIP: emulated or refused by the operating system"],
  ["sldt", "UMIP: emulated or refused by the operating system"],
  ["str", "UMIP: emulated or refused by the operating system"],
  ["smsw", "UMIP: emulated or refused by the operating system"],
]);
