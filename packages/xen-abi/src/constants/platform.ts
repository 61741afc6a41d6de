// Values of xen/include/public/platform.h.

export const XENPF_INTERFACE_VERSION = 0x3000001;
export const XENPF_settime32 = 17;
export const XENPF_settime64 = 62;
export const XENPF_settime = XENPF_settime64;
export const XENPF_add_memtype = 31;
export const XENPF_del_memtype = 32;
export const XENPF_read_memtype = 33;
export const XENPF_microcode_update = 35;
export const XENPF_platform_quirk = 39;

export const QUIRK_NOIRQBALANCING = 1;
export const QUIRK_IOAPIC_BAD_REGSEL = 2;
export const QUIRK_IOAPIC_GOOD_REGSEL = 3;

export const XENPF_efi_runtime_call = 49;

export const XEN_EFI_get_time = 1;
export const XEN_EFI_set_time = 2;
export const XEN_EFI_get_wakeup_time = 3;
export const XEN_EFI_set_wakeup_time = 4;
export const XEN_EFI_get_next_high_monotonic_count = 5;
export const XEN_EFI_get_variable = 6;
export const XEN_EFI_set_variable = 7;
export const XEN_EFI_get_next_variable_name = 8;
export const XEN_EFI_query_variable_info = 9;
export const XEN_EFI_query_capsule_capabilities = 10;
export const XEN_EFI_update_capsule = 11;
export const XEN_EFI_GET_TIME_SET_CLEARS_NS = 0x1;
export const XEN_EFI_GET_WAKEUP_TIME_ENABLED = 0x1;
export const XEN_EFI_GET_WAKEUP_TIME_PENDING = 0x2;
export const XEN_EFI_SET_WAKEUP_TIME_ENABLE = 0x1;
export const XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY = 0x2;
export const XEN_EFI_VARIABLE_NON_VOLATILE = 0x1;
export const XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS = 0x2;
export const XEN_EFI_VARIABLE_RUNTIME_ACCESS = 0x4;
export const XEN_EFI_VARINFO_BOOT_SNAPSHOT = 0x1;

export const XENPF_firmware_info = 50;

export const XEN_FW_DISK_INFO = 1;
export const XEN_FW_DISK_MBR_SIGNATURE = 2;
export const XEN_FW_VBEDDC_INFO = 3;
export const XEN_FW_EFI_INFO = 4;
export const XEN_FW_EFI_VERSION = 0;
export const XEN_FW_EFI_CONFIG_TABLE = 1;
export const XEN_FW_EFI_VENDOR = 2;
export const XEN_FW_EFI_MEM_INFO = 3;
export const XEN_FW_EFI_RT_VERSION = 4;
export const XEN_FW_EFI_PCI_ROM = 5;
export const XEN_FW_EFI_APPLE_PROPERTIES = 6;
export const XEN_FW_KBD_SHIFT_FLAGS = 5;

export const XENPF_enter_acpi_sleep = 51;
export const XENPF_ACPI_SLEEP_EXTENDED = 0x1;
export const XENPF_change_freq = 52;
export const XENPF_getidletime = 53;
export const XENPF_set_processor_pminfo = 54;

export const XEN_PROCESSOR_PM_CX = 1;
export const XEN_PROCESSOR_PM_PX = 2;
export const XEN_PROCESSOR_PM_TX = 4;
export const XEN_PM_CX = 0;
export const XEN_PM_PX = 1;
export const XEN_PM_TX = 2;
export const XEN_PM_PDC = 3;
export const XEN_PX_PCT = 1;
export const XEN_PX_PSS = 2;
export const XEN_PX_PPC = 4;
export const XEN_PX_PSD = 8;
export const XEN_CPUPERF_SHARED_TYPE_HW = 1;
export const XEN_CPUPERF_SHARED_TYPE_ALL = 2;
export const XEN_CPUPERF_SHARED_TYPE_ANY = 3;

export const XENPF_get_cpuinfo = 55;

export const XEN_PCPU_FLAGS_ONLINE = 1;
export const XEN_PCPU_FLAGS_INVALID = 2;

export const XENPF_get_cpu_version = 48;
export const XENPF_cpu_online = 56;
export const XENPF_cpu_offline = 57;
export const XENPF_cpu_hotadd = 58;
export const XENPF_mem_hotadd = 59;
export const XENPF_core_parking = 60;

export const XEN_CORE_PARKING_SET = 1;
export const XEN_CORE_PARKING_GET = 2;

export const XENPF_resource_op = 61;

export const XEN_RESOURCE_OP_MSR_READ = 0;
export const XEN_RESOURCE_OP_MSR_WRITE = 1;

export const XENPF_get_symbol = 63;
