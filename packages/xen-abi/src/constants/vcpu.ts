// Values of xen/include/public/vcpu.h.

// vcpu_op commands.
export const VCPUOP_initialise = 0;
export const VCPUOP_up = 1;
export const VCPUOP_down = 2;
export const VCPUOP_is_up = 3;
export const VCPUOP_get_runstate_info = 4;
export const VCPUOP_register_runstate_memory_area = 5;
export const VCPUOP_set_periodic_timer = 6;
export const VCPUOP_stop_periodic_timer = 7;
export const VCPUOP_set_singleshot_timer = 8;
export const VCPUOP_stop_singleshot_timer = 9;
export const VCPUOP_register_vcpu_info = 10;
export const VCPUOP_send_nmi = 11;
export const VCPUOP_get_physid = 12;
export const VCPUOP_register_vcpu_time_memory_area = 13;
export const VCPUOP_register_runstate_phys_area = 14;
export const VCPUOP_register_vcpu_time_phys_area = 15;

// vcpu_runstate_info.state.
export const RUNSTATE_running = 0;
export const RUNSTATE_runnable = 1;
export const RUNSTATE_blocked = 2;
export const RUNSTATE_offline = 3;

// Bit 63 of state_entry_time: Xen is just writing the area (after VMASST_TYPE_runstate_update_flag).
export const XEN_RUNSTATE_UPDATE = 0x8000000000000000;

// vcpu_set_singleshot_timer.flags.
export const _VCPU_SSHOTTMR_future = 0;
export const VCPU_SSHOTTMR_future = 0x1;
