/* Xen's public interface. Generated from the data of @xen-node/xen-abi: do not edit. */
#ifndef XEN_ABI_H
#define XEN_ABI_H

#define XEN_CPUID_FIRST_LEAF 0x40000000
#define XEN_CPUID_SIGNATURE_EBX 0x566e6558
#define XEN_CPUID_SIGNATURE_ECX 0x65584d4d
#define XEN_CPUID_SIGNATURE_EDX 0x4d4d566e
#define _XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD 0
#define XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD 1
#define XEN_CPUID_TSC_EMULATED 1
#define XEN_CPUID_HOST_TSC_RELIABLE 2
#define XEN_CPUID_RDTSCP_INSTR_AVAIL 4
#define XEN_CPUID_TSC_MODE_DEFAULT 0
#define XEN_CPUID_TSC_MODE_ALWAYS_EMULATE 1
#define XEN_CPUID_TSC_MODE_NEVER_EMULATE 2
#define XEN_CPUID_TSC_MODE_PVRDTSCP 3
#define XEN_HVM_CPUID_APIC_ACCESS_VIRT 1
#define XEN_HVM_CPUID_X2APIC_VIRT 2
#define XEN_HVM_CPUID_IOMMU_MAPPINGS 4
#define XEN_HVM_CPUID_VCPU_ID_PRESENT 8
#define XEN_HVM_CPUID_DOMID_PRESENT 0x10
#define XEN_HVM_CPUID_EXT_DEST_ID 0x20
#define XEN_HVM_CPUID_UPCALL_VECTOR 0x40
#define XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK 0xff
#define XEN_CPUID_MAX_NUM_LEAVES 5
#define XEN_HVM_START_MAGIC_VALUE 0x336ec578
#define XEN_HVM_MEMMAP_TYPE_RAM 1
#define XEN_HVM_MEMMAP_TYPE_RESERVED 2
#define XEN_HVM_MEMMAP_TYPE_ACPI 3
#define XEN_HVM_MEMMAP_TYPE_NVS 4
#define XEN_HVM_MEMMAP_TYPE_UNUSABLE 5
#define XEN_HVM_MEMMAP_TYPE_DISABLED 6
#define XEN_HVM_MEMMAP_TYPE_PMEM 7
#define XEN_HAVE_PV_GUEST_ENTRY 1
#define XEN_HAVE_PV_UPCALL_MASK 1
#define FIRST_RESERVED_GDT_PAGE 0xe
#define FIRST_RESERVED_GDT_BYTE 0xe000
#define FIRST_RESERVED_GDT_ENTRY 0x1c00
#define XEN_LEGACY_MAX_VCPUS 0x20
#define VGCF_I387_VALID 1
#define VGCF_IN_KERNEL 4
#define _VGCF_i387_valid 0
#define VGCF_i387_valid 1
#define _VGCF_in_kernel 2
#define VGCF_in_kernel 4
#define _VGCF_failsafe_disables_events 3
#define VGCF_failsafe_disables_events 8
#define _VGCF_syscall_disables_events 4
#define VGCF_syscall_disables_events 0x10
#define _VGCF_online 5
#define VGCF_online 0x20
#define XEN_CPUID_NO_SUBLEAF 0xffffffff
#define XEN_HVM_DEBUGCONS_IOPORT 0xe9
#define XEN_EMULATE_PREFIX 0xf, 0xb, 0x78, 0x65, 0x6e
#define FLAT_RING1_CS 0xe019
#define FLAT_RING1_DS 0xe021
#define FLAT_RING1_SS 0xe021
#define FLAT_RING3_CS 0xe02b
#define FLAT_RING3_DS 0xe033
#define FLAT_RING3_SS 0xe033
#define __HYPERVISOR_VIRT_START_PAE 0xf5800000
#define __MACH2PHYS_VIRT_START_PAE 0xf5800000
#define __MACH2PHYS_VIRT_END_PAE 0xf6800000
#define HYPERVISOR_VIRT_START_PAE 0xf5800000
#define MACH2PHYS_VIRT_START_PAE 0xf5800000
#define MACH2PHYS_VIRT_END_PAE 0xf6800000
#define __HYPERVISOR_VIRT_START_NONPAE 0xfc000000
#define __MACH2PHYS_VIRT_START_NONPAE 0xfc000000
#define __MACH2PHYS_VIRT_END_NONPAE 0xfc400000
#define HYPERVISOR_VIRT_START_NONPAE 0xfc000000
#define MACH2PHYS_VIRT_START_NONPAE 0xfc000000
#define MACH2PHYS_VIRT_END_NONPAE 0xfc400000
#define FLAT_RING3_CS32 0xe023
#define FLAT_RING3_CS64 0xe033
#define FLAT_RING3_DS32 0xe02b
#define FLAT_RING3_DS64 0
#define FLAT_RING3_SS32 0xe02b
#define FLAT_RING3_SS64 0xe02b
#define FLAT_KERNEL_DS64 0
#define FLAT_KERNEL_DS32 0xe02b
#define FLAT_KERNEL_DS 0
#define FLAT_KERNEL_CS64 0xe033
#define FLAT_KERNEL_CS32 0xe023
#define FLAT_KERNEL_CS 0xe033
#define FLAT_KERNEL_SS64 0xe02b
#define FLAT_KERNEL_SS32 0xe02b
#define FLAT_KERNEL_SS 0xe02b
#define FLAT_USER_DS64 0
#define FLAT_USER_DS32 0xe02b
#define FLAT_USER_DS 0
#define FLAT_USER_CS64 0xe033
#define FLAT_USER_CS32 0xe023
#define FLAT_USER_CS 0xe033
#define FLAT_USER_SS64 0xe02b
#define FLAT_USER_SS32 0xe02b
#define FLAT_USER_SS 0xe02b
#define __HYPERVISOR_VIRT_START 0xffff800000000000
#define __HYPERVISOR_VIRT_END 0xffff880000000000
#define __MACH2PHYS_VIRT_START 0xffff800000000000
#define __MACH2PHYS_VIRT_END 0xffff804000000000
#define HYPERVISOR_VIRT_START 0xffff800000000000
#define HYPERVISOR_VIRT_END 0xffff880000000000
#define MACH2PHYS_VIRT_START 0xffff800000000000
#define MACH2PHYS_VIRT_END 0xffff804000000000
#define MACH2PHYS_NR_ENTRIES 0x800000000
#define SEGBASE_FS 0
#define SEGBASE_GS_USER 1
#define SEGBASE_GS_KERNEL 2
#define SEGBASE_GS_USER_SEL 3
#define _VGCF_in_syscall 8
#define VGCF_in_syscall 0x100
#define VGCF_IN_SYSCALL 0x100
#define CALLBACKOP_register 0
#define CALLBACKOP_unregister 1
#define CALLBACKTYPE_event 0
#define CALLBACKTYPE_failsafe 1
#define CALLBACKTYPE_syscall 2
#define CALLBACKTYPE_sysenter_deprecated 3
#define CALLBACKTYPE_nmi 4
#define CALLBACKTYPE_sysenter 5
#define CALLBACKTYPE_syscall32 7
#define _CALLBACKF_mask_events 0
#define CALLBACKF_mask_events 1
#define XEN_ELFNOTE_INFO 0
#define XEN_ELFNOTE_ENTRY 1
#define XEN_ELFNOTE_HYPERCALL_PAGE 2
#define XEN_ELFNOTE_VIRT_BASE 3
#define XEN_ELFNOTE_PADDR_OFFSET 4
#define XEN_ELFNOTE_XEN_VERSION 5
#define XEN_ELFNOTE_GUEST_OS 6
#define XEN_ELFNOTE_GUEST_VERSION 7
#define XEN_ELFNOTE_LOADER 8
#define XEN_ELFNOTE_PAE_MODE 9
#define XEN_ELFNOTE_FEATURES 0xa
#define XEN_ELFNOTE_BSD_SYMTAB 0xb
#define XEN_ELFNOTE_HV_START_LOW 0xc
#define XEN_ELFNOTE_L1_MFN_VALID 0xd
#define XEN_ELFNOTE_SUSPEND_CANCEL 0xe
#define XEN_ELFNOTE_INIT_P2M 0xf
#define XEN_ELFNOTE_MOD_START_PFN 0x10
#define XEN_ELFNOTE_SUPPORTED_FEATURES 0x11
#define XEN_ELFNOTE_PHYS32_ENTRY 0x12
#define XEN_ELFNOTE_PHYS32_RELOC 0x13
#define XEN_ELFNOTE_MAX 0x13
#define XEN_ELFNOTE_CRASH_INFO 0x1000001
#define XEN_ELFNOTE_CRASH_REGS 0x1000002
#define XEN_ELFNOTE_DUMPCORE_NONE 0x2000000
#define XEN_ELFNOTE_DUMPCORE_HEADER 0x2000001
#define XEN_ELFNOTE_DUMPCORE_XEN_VERSION 0x2000002
#define XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION 0x2000003
#define XEN_EPERM 1
#define XEN_ENOENT 2
#define XEN_ESRCH 3
#define XEN_EINTR 4
#define XEN_EIO 5
#define XEN_ENXIO 6
#define XEN_E2BIG 7
#define XEN_ENOEXEC 8
#define XEN_EBADF 9
#define XEN_ECHILD 0xa
#define XEN_EAGAIN 0xb
#define XEN_EWOULDBLOCK 0xb
#define XEN_ENOMEM 0xc
#define XEN_EACCES 0xd
#define XEN_EFAULT 0xe
#define XEN_EBUSY 0x10
#define XEN_EEXIST 0x11
#define XEN_EXDEV 0x12
#define XEN_ENODEV 0x13
#define XEN_ENOTDIR 0x14
#define XEN_EISDIR 0x15
#define XEN_EINVAL 0x16
#define XEN_ENFILE 0x17
#define XEN_EMFILE 0x18
#define XEN_ENOSPC 0x1c
#define XEN_EROFS 0x1e
#define XEN_EMLINK 0x1f
#define XEN_EDOM 0x21
#define XEN_ERANGE 0x22
#define XEN_EDEADLK 0x23
#define XEN_EDEADLOCK 0x23
#define XEN_ENAMETOOLONG 0x24
#define XEN_ENOLCK 0x25
#define XEN_ENOSYS 0x26
#define XEN_ENOTEMPTY 0x27
#define XEN_ENODATA 0x3d
#define XEN_ETIME 0x3e
#define XEN_EBADMSG 0x4a
#define XEN_EOVERFLOW 0x4b
#define XEN_EILSEQ 0x54
#define XEN_ERESTART 0x55
#define XEN_ENOTSOCK 0x58
#define XEN_EMSGSIZE 0x5a
#define XEN_EOPNOTSUPP 0x5f
#define XEN_EADDRINUSE 0x62
#define XEN_EADDRNOTAVAIL 0x63
#define XEN_ENOBUFS 0x69
#define XEN_EISCONN 0x6a
#define XEN_ENOTCONN 0x6b
#define XEN_ETIMEDOUT 0x6e
#define XEN_ECONNREFUSED 0x6f
#define EVTCHNOP_bind_interdomain 0
#define EVTCHNOP_bind_virq 1
#define EVTCHNOP_bind_pirq 2
#define EVTCHNOP_close 3
#define EVTCHNOP_send 4
#define EVTCHNOP_status 5
#define EVTCHNOP_alloc_unbound 6
#define EVTCHNOP_bind_ipi 7
#define EVTCHNOP_bind_vcpu 8
#define EVTCHNOP_unmask 9
#define EVTCHNOP_reset 0xa
#define EVTCHNOP_init_control 0xb
#define EVTCHNOP_expand_array 0xc
#define EVTCHNOP_set_priority 0xd
#define BIND_PIRQ__WILL_SHARE 1
#define EVTCHNSTAT_closed 0
#define EVTCHNSTAT_unbound 1
#define EVTCHNSTAT_interdomain 2
#define EVTCHNSTAT_pirq 3
#define EVTCHNSTAT_virq 4
#define EVTCHNSTAT_ipi 5
#define EVTCHN_2L_NR_CHANNELS 0x1000
#define EVTCHN_FIFO_PRIORITY_MAX 0
#define EVTCHN_FIFO_PRIORITY_DEFAULT 7
#define EVTCHN_FIFO_PRIORITY_MIN 0xf
#define EVTCHN_FIFO_MAX_QUEUES 0x10
#define EVTCHN_FIFO_PENDING 0x1f
#define EVTCHN_FIFO_MASKED 0x1e
#define EVTCHN_FIFO_LINKED 0x1d
#define EVTCHN_FIFO_BUSY 0x1c
#define EVTCHN_FIFO_LINK_BITS 0x11
#define EVTCHN_FIFO_LINK_MASK 0x1ffff
#define EVTCHN_FIFO_NR_CHANNELS 0x20000
#define XENFEAT_writable_page_tables 0
#define XENFEAT_writable_descriptor_tables 1
#define XENFEAT_auto_translated_physmap 2
#define XENFEAT_supervisor_mode_kernel 3
#define XENFEAT_pae_pgdir_above_4gb 4
#define XENFEAT_mmu_pt_update_preserve_ad 5
#define XENFEAT_highmem_assist 6
#define XENFEAT_gnttab_map_avail_bits 7
#define XENFEAT_hvm_callback_vector 8
#define XENFEAT_hvm_safe_pvclock 9
#define XENFEAT_hvm_pirqs 0xa
#define XENFEAT_dom0 0xb
#define XENFEAT_memory_op_vnode_supported 0xd
#define XENFEAT_ARM_SMCCC_supported 0xe
#define XENFEAT_linux_rsdp_unrestricted 0xf
#define XENFEAT_not_direct_mapped 0x10
#define XENFEAT_direct_mapped 0x11
#define XENFEAT_runstate_phys_area 0x12
#define XENFEAT_vcpu_time_phys_area 0x13
#define XENFEAT_dm_msix_all_writes 0x14
#define XENFEAT_NR_SUBMAPS 1
#define GNTTAB_NR_RESERVED_ENTRIES 8
#define GNTTAB_RESERVED_CONSOLE 0
#define GNTTAB_RESERVED_XENSTORE 1
#define GTF_invalid 0
#define GTF_permit_access 1
#define GTF_accept_transfer 2
#define GTF_transitive 3
#define GTF_type_mask 3
#define _GTF_readonly 2
#define GTF_readonly 4
#define _GTF_reading 3
#define GTF_reading 8
#define _GTF_writing 4
#define GTF_writing 0x10
#define _GTF_PWT 5
#define GTF_PWT 0x20
#define _GTF_PCD 6
#define GTF_PCD 0x40
#define _GTF_PAT 7
#define GTF_PAT 0x80
#define _GTF_sub_page 8
#define GTF_sub_page 0x100
#define _GTF_transfer_committed 2
#define GTF_transfer_committed 4
#define _GTF_transfer_completed 3
#define GTF_transfer_completed 8
#define GNTTABOP_map_grant_ref 0
#define GNTTABOP_unmap_grant_ref 1
#define GNTTABOP_setup_table 2
#define GNTTABOP_dump_table 3
#define GNTTABOP_transfer 4
#define GNTTABOP_copy 5
#define GNTTABOP_query_size 6
#define GNTTABOP_unmap_and_replace 7
#define GNTTABOP_set_version 8
#define GNTTABOP_get_status_frames 9
#define GNTTABOP_get_version 0xa
#define GNTTABOP_swap_grant_ref 0xb
#define GNTTABOP_cache_flush 0xc
#define _GNTCOPY_source_gref 0
#define GNTCOPY_source_gref 1
#define _GNTCOPY_dest_gref 1
#define GNTCOPY_dest_gref 2
#define GNTTAB_CACHE_CLEAN 1
#define GNTTAB_CACHE_INVAL 2
#define GNTTAB_CACHE_SOURCE_GREF 0x80000000
#define _GNTMAP_device_map 0
#define GNTMAP_device_map 1
#define _GNTMAP_host_map 1
#define GNTMAP_host_map 2
#define _GNTMAP_readonly 2
#define GNTMAP_readonly 4
#define _GNTMAP_application_map 3
#define GNTMAP_application_map 8
#define _GNTMAP_contains_pte 4
#define GNTMAP_contains_pte 0x10
#define _GNTMAP_guest_avail0 0x10
#define GNTMAP_guest_avail_mask 0xffff0000
#define GNTST_okay 0
#define GNTST_general_error (-1)
#define GNTST_bad_domain (-2)
#define GNTST_bad_gntref (-3)
#define GNTST_bad_handle (-4)
#define GNTST_bad_virt_addr (-5)
#define GNTST_bad_dev_addr (-6)
#define GNTST_no_device_space (-7)
#define GNTST_permission_denied (-8)
#define GNTST_bad_page (-9)
#define GNTST_bad_copy_arg (-10)
#define GNTST_address_too_big (-11)
#define GNTST_eagain (-12)
#define GNTST_no_space (-13)
#define HVM_E820_PAGE 0x90000
#define HVM_E820_NR_OFFSET 0x1e8
#define HVM_E820_OFFSET 0x2d0
#define HVM_BELOW_4G_RAM_END 0xf0000000
#define HVM_BELOW_4G_MMIO_START 0xf0000000
#define HVM_BELOW_4G_MMIO_LENGTH 0x10000000
#define HVMOP_set_param 0
#define HVMOP_get_param 1
#define HVMOP_flush_tlbs 5
#define HVMOP_pagetable_dying 9
#define HVMOP_get_time 0xa
#define HVMOP_xentrace 0xb
#define HVMOP_get_mem_type 0xf
#define HVMOP_set_evtchn_upcall_vector 0x17
#define HVMOP_guest_request_vm_event 0x18
#define HVMOP_altp2m 0x19
#define HVMOP_ALTP2M_INTERFACE_VERSION 1
#define HVMOP_altp2m_get_domain_state 1
#define HVMOP_altp2m_set_domain_state 2
#define HVMOP_altp2m_vcpu_enable_notify 3
#define HVMOP_altp2m_create_p2m 4
#define HVMOP_altp2m_destroy_p2m 5
#define HVMOP_altp2m_switch_p2m 6
#define HVMOP_altp2m_set_mem_access 7
#define HVMOP_altp2m_change_gfn 8
#define HVMOP_altp2m_set_mem_access_multi 9
#define HVMOP_altp2m_set_suppress_ve 0xa
#define HVMOP_altp2m_get_suppress_ve 0xb
#define HVMOP_altp2m_get_mem_access 0xc
#define HVMOP_altp2m_vcpu_disable_notify 0xd
#define HVMOP_altp2m_get_p2m_idx 0xe
#define HVMOP_altp2m_set_suppress_ve_multi 0xf
#define HVMOP_altp2m_set_visibility 0x10
#define HVM_PARAM_CALLBACK_IRQ 0
#define HVM_PARAM_CALLBACK_IRQ_TYPE_MASK 0xff00000000000000
#define HVM_PARAM_CALLBACK_TYPE_GSI 0
#define HVM_PARAM_CALLBACK_TYPE_PCI_INTX 1
#define HVM_PARAM_CALLBACK_TYPE_VECTOR 2
#define HVM_PARAM_STORE_PFN 1
#define HVM_PARAM_STORE_EVTCHN 2
#define HVM_PARAM_IOREQ_PFN 5
#define HVM_PARAM_BUFIOREQ_PFN 6
#define HVM_PARAM_VIRIDIAN 9
#define _HVMPV_base_freq 0
#define HVMPV_base_freq 1
#define _HVMPV_no_freq 1
#define HVMPV_no_freq 2
#define _HVMPV_time_ref_count 2
#define HVMPV_time_ref_count 4
#define _HVMPV_reference_tsc 3
#define HVMPV_reference_tsc 8
#define _HVMPV_hcall_remote_tlb_flush 4
#define HVMPV_hcall_remote_tlb_flush 0x10
#define _HVMPV_apic_assist 5
#define HVMPV_apic_assist 0x20
#define _HVMPV_crash_ctl 6
#define HVMPV_crash_ctl 0x40
#define _HVMPV_synic 7
#define HVMPV_synic 0x80
#define _HVMPV_stimer 8
#define HVMPV_stimer 0x100
#define _HVMPV_hcall_ipi 9
#define HVMPV_hcall_ipi 0x200
#define _HVMPV_ex_processor_masks 0xa
#define HVMPV_ex_processor_masks 0x400
#define _HVMPV_no_vp_limit 0xb
#define HVMPV_no_vp_limit 0x800
#define _HVMPV_cpu_hotplug 0xc
#define HVMPV_cpu_hotplug 0x1000
#define HVMPV_feature_mask 0x1fff
#define HVM_PARAM_TIMER_MODE 0xa
#define HVMPTM_delay_for_missed_ticks 0
#define HVMPTM_no_delay_for_missed_ticks 1
#define HVMPTM_no_missed_ticks_pending 2
#define HVMPTM_one_missed_tick_pending 3
#define HVM_PARAM_HPET_ENABLED 0xb
#define HVM_PARAM_IDENT_PT 0xc
#define HVM_PARAM_ACPI_S_STATE 0xe
#define HVM_PARAM_VM86_TSS 0xf
#define HVM_PARAM_VPT_ALIGN 0x10
#define HVM_PARAM_CONSOLE_PFN 0x11
#define HVM_PARAM_CONSOLE_EVTCHN 0x12
#define HVM_PARAM_ACPI_IOPORTS_LOCATION 0x13
#define HVM_PARAM_PAGING_RING_PFN 0x1b
#define HVM_PARAM_MONITOR_RING_PFN 0x1c
#define HVM_PARAM_SHARING_RING_PFN 0x1d
#define HVM_PARAM_TRIPLE_FAULT_REASON 0x1f
#define HVM_PARAM_IOREQ_SERVER_PFN 0x20
#define HVM_PARAM_NR_IOREQ_SERVER_PAGES 0x21
#define HVM_PARAM_VM_GENERATION_ID_ADDR 0x22
#define HVM_PARAM_ALTP2M 0x23
#define XEN_ALTP2M_disabled 0
#define XEN_ALTP2M_mixed 1
#define XEN_ALTP2M_external 2
#define XEN_ALTP2M_limited 3
#define HVM_PARAM_X87_FIP_WIDTH 0x24
#define HVM_PARAM_VM86_TSS_SIZED 0x25
#define HVM_PARAM_MCA_CAP 0x26
#define XEN_HVM_MCA_CAP_LMCE 1
#define XEN_HVM_MCA_CAP_MASK 1
#define HVM_NR_PARAMS 0x27
#define BLKIF_OP_READ 0
#define BLKIF_OP_WRITE 1
#define BLKIF_OP_WRITE_BARRIER 2
#define BLKIF_OP_FLUSH_DISKCACHE 3
#define BLKIF_OP_RESERVED_1 4
#define BLKIF_OP_DISCARD 5
#define BLKIF_OP_INDIRECT 6
#define BLKIF_MAX_SEGMENTS_PER_REQUEST 0xb
#define BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST 8
#define BLKIF_DISCARD_SECURE 1
#define BLKIF_RSP_EOPNOTSUPP (-2)
#define BLKIF_RSP_ERROR (-1)
#define BLKIF_RSP_OKAY 0
#define VDISK_CDROM 1
#define VDISK_REMOVABLE 2
#define VDISK_READONLY 4
#define XENCONS_IN_SIZE 0x400
#define XENCONS_OUT_SIZE 0x800
#define XENCONSOLE_CONNECTED 0
#define XENCONSOLE_DISCONNECTED 1
#define XEN_NETIF_NR_SLOTS_MIN 0x12
#define XEN_NETIF_MAX_TX_SIZE 0xffff
#define _NETTXF_csum_blank 0
#define NETTXF_csum_blank 1
#define _NETTXF_data_validated 1
#define NETTXF_data_validated 2
#define _NETTXF_more_data 2
#define NETTXF_more_data 4
#define _NETTXF_extra_info 3
#define NETTXF_extra_info 8
#define _NETRXF_data_validated 0
#define NETRXF_data_validated 1
#define _NETRXF_csum_blank 1
#define NETRXF_csum_blank 2
#define _NETRXF_more_data 2
#define NETRXF_more_data 4
#define _NETRXF_extra_info 3
#define NETRXF_extra_info 8
#define _NETRXF_gso_prefix 4
#define NETRXF_gso_prefix 0x10
#define NETIF_RSP_DROPPED (-2)
#define NETIF_RSP_ERROR (-1)
#define NETIF_RSP_OKAY 0
#define NETIF_RSP_NULL 1
#define XEN_NETIF_EXTRA_TYPE_NONE 0
#define XEN_NETIF_EXTRA_TYPE_GSO 1
#define XEN_NETIF_EXTRA_TYPE_MCAST_ADD 2
#define XEN_NETIF_EXTRA_TYPE_MCAST_DEL 3
#define XEN_NETIF_EXTRA_TYPE_HASH 4
#define XEN_NETIF_EXTRA_TYPE_MAX 5
#define _XEN_NETIF_EXTRA_FLAG_MORE 0
#define XEN_NETIF_EXTRA_FLAG_MORE 1
#define XEN_NETIF_GSO_TYPE_NONE 0
#define XEN_NETIF_GSO_TYPE_TCPV4 1
#define XEN_NETIF_GSO_TYPE_TCPV6 2
#define XEN_NETIF_CTRL_TYPE_INVALID 0
#define XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS 1
#define XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS 2
#define XEN_NETIF_CTRL_TYPE_SET_HASH_KEY 3
#define XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE 4
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE 5
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING 6
#define XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM 7
#define XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE 8
#define XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING 9
#define XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING 0xa
#define XEN_NETIF_CTRL_STATUS_SUCCESS 0
#define XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED 1
#define XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER 2
#define XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW 3
#define _XEN_NETIF_CTRL_HASH_TYPE_IPV4 0
#define XEN_NETIF_CTRL_HASH_TYPE_IPV4 1
#define _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP 1
#define XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP 2
#define _XEN_NETIF_CTRL_HASH_TYPE_IPV6 2
#define XEN_NETIF_CTRL_HASH_TYPE_IPV6 4
#define _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP 3
#define XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP 8
#define XEN_NETIF_CTRL_HASH_ALGORITHM_NONE 0
#define XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ 1
#define _XEN_NETIF_CTRLF_GREF_readonly 0
#define XEN_NETIF_CTRLF_GREF_readonly 1
#define XEN_IO_PROTO_ABI_X86_32 "x86_32-abi"
#define XEN_IO_PROTO_ABI_X86_64 "x86_64-abi"
#define XEN_IO_PROTO_ABI_ARM "arm-abi"
#define XEN_PAGE_SHIFT 0xc
#define XenbusStateUnknown 0
#define XenbusStateInitialising 1
#define XenbusStateInitWait 2
#define XenbusStateInitialised 3
#define XenbusStateConnected 4
#define XenbusStateClosing 5
#define XenbusStateClosed 6
#define XenbusStateReconfiguring 7
#define XenbusStateReconfigured 8
#define XS_CONTROL 0
#define XS_DIRECTORY 1
#define XS_READ 2
#define XS_GET_PERMS 3
#define XS_WATCH 4
#define XS_UNWATCH 5
#define XS_TRANSACTION_START 6
#define XS_TRANSACTION_END 7
#define XS_INTRODUCE 8
#define XS_RELEASE 9
#define XS_GET_DOMAIN_PATH 0xa
#define XS_WRITE 0xb
#define XS_MKDIR 0xc
#define XS_RM 0xd
#define XS_SET_PERMS 0xe
#define XS_WATCH_EVENT 0xf
#define XS_ERROR 0x10
#define XS_IS_DOMAIN_INTRODUCED 0x11
#define XS_RESUME 0x12
#define XS_SET_TARGET 0x13
#define XS_RESET_WATCHES 0x15
#define XS_DIRECTORY_PART 0x16
#define XS_GET_FEATURE 0x17
#define XS_SET_FEATURE 0x18
#define XS_GET_QUOTA 0x19
#define XS_SET_QUOTA 0x1a
#define XS_INVALID 0xffff
#define XS_DEBUG 0
#define XS_WATCH_PATH 0
#define XS_WATCH_TOKEN 1
#define XS_WRITE_NONE "NONE"
#define XS_WRITE_CREATE "CREATE"
#define XS_WRITE_CREATE_EXCL "CREATE|EXCL"
#define XENSTORE_RING_SIZE 0x400
#define XENSTORE_PAYLOAD_MAX 0x1000
#define XENSTORE_ABS_PATH_MAX 0xc00
#define XENSTORE_REL_PATH_MAX 0x800
#define XENSTORE_SERVER_FEATURE_RECONNECTION 1
#define XENSTORE_SERVER_FEATURE_ERROR 2
#define XENSTORE_SERVER_FEATURE_WATCHDEPTH 4
#define XENSTORE_SERVER_FEATURE_DOMID_ANY 8
#define XENSTORE_CONNECTED 0
#define XENSTORE_RECONNECT 1
#define XENSTORE_ERROR_NONE 0
#define XENSTORE_ERROR_COMM 1
#define XENSTORE_ERROR_RINGIDX 2
#define XENSTORE_ERROR_PROTO 3
#define XENMEM_increase_reservation 0
#define XENMEM_decrease_reservation 1
#define XENMEM_maximum_ram_page 2
#define XENMEM_current_reservation 3
#define XENMEM_maximum_reservation 4
#define XENMEM_machphys_mfn_list 5
#define XENMEM_populate_physmap 6
#define XENMEM_add_to_physmap 7
#define XENMEM_memory_map 9
#define XENMEM_machine_memory_map 0xa
#define XENMEM_exchange 0xb
#define XENMEM_machphys_mapping 0xc
#define XENMEM_set_memory_map 0xd
#define XENMEM_maximum_gpfn 0xe
#define XENMEM_remove_from_physmap 0xf
#define XENMEM_set_pod_target 0x10
#define XENMEM_get_pod_target 0x11
#define XENMEM_get_sharing_freed_pages 0x12
#define XENMEM_get_sharing_shared_pages 0x13
#define XENMEM_paging_op 0x14
#define XENMEM_access_op 0x15
#define XENMEM_sharing_op 0x16
#define XENMEM_add_to_physmap_batch 0x17
#define XENMEM_claim_pages 0x18
#define XENMEM_machphys_compat_mfn_list 0x19
#define XENMEM_get_vnumainfo 0x1a
#define XENMEM_reserved_device_memory_map 0x1b
#define XENMEM_acquire_resource 0x1c
#define XENMEMF_populate_on_demand 0x10000
#define XENMEMF_exact_node_request 0x20000
#define XENMEMF_vnode 0x40000
#define XENMAPSPACE_shared_info 0
#define XENMAPSPACE_grant_table 1
#define XENMAPSPACE_gmfn 2
#define XENMAPSPACE_gmfn_range 3
#define XENMAPSPACE_gmfn_foreign 4
#define XENMAPSPACE_dev_mmio 5
#define XENMAPIDX_grant_table_status 0x80000000
#define XENMEM_resource_ioreq_server 0
#define XENMEM_resource_grant_table 1
#define XENMEM_resource_vmtrace_buf 2
#define XENMEM_resource_grant_table_id_shared 0
#define XENMEM_resource_grant_table_id_status 1
#define XENMEM_resource_ioreq_server_frame_bufioreq 0
#define _XEN_NMIREASON_io_error 0
#define XEN_NMIREASON_io_error 1
#define _XEN_NMIREASON_pci_serr 1
#define XEN_NMIREASON_pci_serr 2
#define _XEN_NMIREASON_unknown 2
#define XEN_NMIREASON_unknown 4
#define XENNMI_register_callback 0
#define XENNMI_unregister_callback 1
#define PHYSDEVOP_irq_status_query 5
#define PHYSDEVOP_set_iopl 6
#define PHYSDEVOP_set_iobitmap 7
#define PHYSDEVOP_apic_read 8
#define PHYSDEVOP_apic_write 9
#define PHYSDEVOP_alloc_irq_vector 0xa
#define PHYSDEVOP_free_irq_vector 0xb
#define PHYSDEVOP_eoi 0xc
#define PHYSDEVOP_map_pirq 0xd
#define PHYSDEVOP_unmap_pirq 0xe
#define PHYSDEVOP_manage_pci_add 0xf
#define PHYSDEVOP_manage_pci_remove 0x10
#define PHYSDEVOP_pirq_eoi_gmfn_v1 0x11
#define PHYSDEVOP_restore_msi 0x13
#define PHYSDEVOP_manage_pci_add_ext 0x14
#define PHYSDEVOP_setup_gsi 0x15
#define PHYSDEVOP_get_free_pirq 0x17
#define PHYSDEVOP_pci_mmcfg_reserved 0x18
#define PHYSDEVOP_pci_device_add 0x19
#define PHYSDEVOP_pci_device_remove 0x1a
#define PHYSDEVOP_restore_msi_ext 0x1b
#define PHYSDEVOP_pirq_eoi_gmfn_v2 0x1c
#define PHYSDEVOP_pirq_eoi_gmfn 0x1c
#define PHYSDEVOP_dbgp_op 0x1d
#define PHYSDEVOP_prepare_msix 0x1e
#define PHYSDEVOP_release_msix 0x1f
#define PHYSDEVOP_pci_device_reset 0x20
#define _XENIRQSTAT_needs_eoi 0
#define XENIRQSTAT_needs_eoi 1
#define _XENIRQSTAT_shared 1
#define XENIRQSTAT_shared 2
#define MAP_PIRQ_TYPE_MSI 0
#define MAP_PIRQ_TYPE_GSI 1
#define MAP_PIRQ_TYPE_UNKNOWN 2
#define MAP_PIRQ_TYPE_MSI_SEG 3
#define MAP_PIRQ_TYPE_MULTI_MSI 4
#define XEN_PCI_MMCFG_RESERVED 1
#define XEN_PCI_DEV_EXTFN 1
#define XEN_PCI_DEV_VIRTFN 2
#define XEN_PCI_DEV_PXM 4
#define PHYSDEVOP_DBGP_RESET_PREPARE 1
#define PHYSDEVOP_DBGP_RESET_DONE 2
#define PHYSDEVOP_DBGP_BUS_UNKNOWN 0
#define PHYSDEVOP_DBGP_BUS_PCI 1
#define PHYSDEVOP_IRQ_UNMASK_NOTIFY 4
#define XENPF_INTERFACE_VERSION 0x3000001
#define XENPF_settime32 0x11
#define XENPF_settime64 0x3e
#define XENPF_settime 0x3e
#define XENPF_add_memtype 0x1f
#define XENPF_del_memtype 0x20
#define XENPF_read_memtype 0x21
#define XENPF_microcode_update 0x23
#define XENPF_platform_quirk 0x27
#define QUIRK_NOIRQBALANCING 1
#define QUIRK_IOAPIC_BAD_REGSEL 2
#define QUIRK_IOAPIC_GOOD_REGSEL 3
#define XENPF_efi_runtime_call 0x31
#define XEN_EFI_get_time 1
#define XEN_EFI_set_time 2
#define XEN_EFI_get_wakeup_time 3
#define XEN_EFI_set_wakeup_time 4
#define XEN_EFI_get_next_high_monotonic_count 5
#define XEN_EFI_get_variable 6
#define XEN_EFI_set_variable 7
#define XEN_EFI_get_next_variable_name 8
#define XEN_EFI_query_variable_info 9
#define XEN_EFI_query_capsule_capabilities 0xa
#define XEN_EFI_update_capsule 0xb
#define XEN_EFI_GET_TIME_SET_CLEARS_NS 1
#define XEN_EFI_GET_WAKEUP_TIME_ENABLED 1
#define XEN_EFI_GET_WAKEUP_TIME_PENDING 2
#define XEN_EFI_SET_WAKEUP_TIME_ENABLE 1
#define XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY 2
#define XEN_EFI_VARIABLE_NON_VOLATILE 1
#define XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS 2
#define XEN_EFI_VARIABLE_RUNTIME_ACCESS 4
#define XEN_EFI_VARINFO_BOOT_SNAPSHOT 1
#define XENPF_firmware_info 0x32
#define XEN_FW_DISK_INFO 1
#define XEN_FW_DISK_MBR_SIGNATURE 2
#define XEN_FW_VBEDDC_INFO 3
#define XEN_FW_EFI_INFO 4
#define XEN_FW_EFI_VERSION 0
#define XEN_FW_EFI_CONFIG_TABLE 1
#define XEN_FW_EFI_VENDOR 2
#define XEN_FW_EFI_MEM_INFO 3
#define XEN_FW_EFI_RT_VERSION 4
#define XEN_FW_EFI_PCI_ROM 5
#define XEN_FW_EFI_APPLE_PROPERTIES 6
#define XEN_FW_KBD_SHIFT_FLAGS 5
#define XENPF_enter_acpi_sleep 0x33
#define XENPF_ACPI_SLEEP_EXTENDED 1
#define XENPF_change_freq 0x34
#define XENPF_getidletime 0x35
#define XENPF_set_processor_pminfo 0x36
#define XEN_PROCESSOR_PM_CX 1
#define XEN_PROCESSOR_PM_PX 2
#define XEN_PROCESSOR_PM_TX 4
#define XEN_PM_CX 0
#define XEN_PM_PX 1
#define XEN_PM_TX 2
#define XEN_PM_PDC 3
#define XEN_PX_PCT 1
#define XEN_PX_PSS 2
#define XEN_PX_PPC 4
#define XEN_PX_PSD 8
#define XEN_CPUPERF_SHARED_TYPE_HW 1
#define XEN_CPUPERF_SHARED_TYPE_ALL 2
#define XEN_CPUPERF_SHARED_TYPE_ANY 3
#define XENPF_get_cpuinfo 0x37
#define XEN_PCPU_FLAGS_ONLINE 1
#define XEN_PCPU_FLAGS_INVALID 2
#define XENPF_get_cpu_version 0x30
#define XENPF_cpu_online 0x38
#define XENPF_cpu_offline 0x39
#define XENPF_cpu_hotadd 0x3a
#define XENPF_mem_hotadd 0x3b
#define XENPF_core_parking 0x3c
#define XEN_CORE_PARKING_SET 1
#define XEN_CORE_PARKING_GET 2
#define XENPF_resource_op 0x3d
#define XEN_RESOURCE_OP_MSR_READ 0
#define XEN_RESOURCE_OP_MSR_WRITE 1
#define XENPF_get_symbol 0x3f
#define SCHEDOP_yield 0
#define SCHEDOP_block 1
#define SCHEDOP_shutdown 2
#define SCHEDOP_poll 3
#define SCHEDOP_remote_shutdown 4
#define SCHEDOP_shutdown_code 5
#define SCHEDOP_watchdog 6
#define SCHEDOP_pin_override 7
#define SHUTDOWN_poweroff 0
#define SHUTDOWN_reboot 1
#define SHUTDOWN_suspend 2
#define SHUTDOWN_crash 3
#define SHUTDOWN_watchdog 4
#define SHUTDOWN_soft_reset 5
#define SHUTDOWN_MAX 5
#define VCPUOP_initialise 0
#define VCPUOP_up 1
#define VCPUOP_down 2
#define VCPUOP_is_up 3
#define VCPUOP_get_runstate_info 4
#define VCPUOP_register_runstate_memory_area 5
#define VCPUOP_set_periodic_timer 6
#define VCPUOP_stop_periodic_timer 7
#define VCPUOP_set_singleshot_timer 8
#define VCPUOP_stop_singleshot_timer 9
#define VCPUOP_register_vcpu_info 0xa
#define VCPUOP_send_nmi 0xb
#define VCPUOP_get_physid 0xc
#define VCPUOP_register_vcpu_time_memory_area 0xd
#define VCPUOP_register_runstate_phys_area 0xe
#define VCPUOP_register_vcpu_time_phys_area 0xf
#define RUNSTATE_running 0
#define RUNSTATE_runnable 1
#define RUNSTATE_blocked 2
#define RUNSTATE_offline 3
#define XEN_RUNSTATE_UPDATE 0x8000000000000000
#define _VCPU_SSHOTTMR_future 0
#define VCPU_SSHOTTMR_future 1
#define XENVER_version 0
#define XENVER_extraversion 1
#define XENVER_compile_info 2
#define XENVER_capabilities 3
#define XENVER_changeset 4
#define XENVER_platform_parameters 5
#define XENVER_get_features 6
#define XENVER_pagesize 7
#define XENVER_guest_handle 8
#define XENVER_commandline 9
#define XENVER_build_id 0xa
#define XENVER_extraversion2 0xb
#define XENVER_capabilities2 0xc
#define XENVER_changeset2 0xd
#define XENVER_commandline2 0xe
#define XEN_EXTRAVERSION_LEN 0x10
#define XEN_CAPABILITIES_INFO_LEN 0x400
#define XEN_CHANGESET_INFO_LEN 0x40
#define __HYPERVISOR_set_trap_table 0
#define __HYPERVISOR_mmu_update 1
#define __HYPERVISOR_set_gdt 2
#define __HYPERVISOR_stack_switch 3
#define __HYPERVISOR_set_callbacks 4
#define __HYPERVISOR_fpu_taskswitch 5
#define __HYPERVISOR_sched_op_compat 6
#define __HYPERVISOR_platform_op 7
#define __HYPERVISOR_set_debugreg 8
#define __HYPERVISOR_get_debugreg 9
#define __HYPERVISOR_update_descriptor 0xa
#define __HYPERVISOR_memory_op 0xc
#define __HYPERVISOR_multicall 0xd
#define __HYPERVISOR_update_va_mapping 0xe
#define __HYPERVISOR_set_timer_op 0xf
#define __HYPERVISOR_event_channel_op_compat 0x10
#define __HYPERVISOR_xen_version 0x11
#define __HYPERVISOR_console_io 0x12
#define __HYPERVISOR_physdev_op_compat 0x13
#define __HYPERVISOR_grant_table_op 0x14
#define __HYPERVISOR_vm_assist 0x15
#define __HYPERVISOR_update_va_mapping_otherdomain 0x16
#define __HYPERVISOR_iret 0x17
#define __HYPERVISOR_vcpu_op 0x18
#define __HYPERVISOR_set_segment_base 0x19
#define __HYPERVISOR_mmuext_op 0x1a
#define __HYPERVISOR_xsm_op 0x1b
#define __HYPERVISOR_nmi_op 0x1c
#define __HYPERVISOR_sched_op 0x1d
#define __HYPERVISOR_callback_op 0x1e
#define __HYPERVISOR_xenoprof_op 0x1f
#define __HYPERVISOR_event_channel_op 0x20
#define __HYPERVISOR_physdev_op 0x21
#define __HYPERVISOR_hvm_op 0x22
#define __HYPERVISOR_sysctl 0x23
#define __HYPERVISOR_domctl 0x24
#define __HYPERVISOR_kexec_op 0x25
#define __HYPERVISOR_tmem_op 0x26
#define __HYPERVISOR_argo_op 0x27
#define __HYPERVISOR_xenpmu_op 0x28
#define __HYPERVISOR_dm_op 0x29
#define __HYPERVISOR_hypfs_op 0x2a
#define __HYPERVISOR_arch_0 0x30
#define __HYPERVISOR_arch_1 0x31
#define __HYPERVISOR_arch_2 0x32
#define __HYPERVISOR_arch_3 0x33
#define __HYPERVISOR_arch_4 0x34
#define __HYPERVISOR_arch_5 0x35
#define __HYPERVISOR_arch_6 0x36
#define __HYPERVISOR_arch_7 0x37
#define VIRQ_TIMER 0
#define VIRQ_DEBUG 1
#define VIRQ_CONSOLE 2
#define VIRQ_DOM_EXC 3
#define VIRQ_TBUF 4
#define VIRQ_DEBUGGER 6
#define VIRQ_XENOPROF 7
#define VIRQ_CON_RING 8
#define VIRQ_PCPU_STATE 9
#define VIRQ_MEM_EVENT 0xa
#define VIRQ_ARGO 0xb
#define VIRQ_ENOMEM 0xc
#define VIRQ_XENPMU 0xd
#define VIRQ_ARCH_0 0x10
#define VIRQ_ARCH_1 0x11
#define VIRQ_ARCH_2 0x12
#define VIRQ_ARCH_3 0x13
#define VIRQ_ARCH_4 0x14
#define VIRQ_ARCH_5 0x15
#define VIRQ_ARCH_6 0x16
#define VIRQ_ARCH_7 0x17
#define NR_VIRQS 0x18
#define MMU_NORMAL_PT_UPDATE 0
#define MMU_MACHPHYS_UPDATE 1
#define MMU_PT_UPDATE_PRESERVE_AD 2
#define MMU_PT_UPDATE_NO_TRANSLATE 3
#define MMUEXT_PIN_L1_TABLE 0
#define MMUEXT_PIN_L2_TABLE 1
#define MMUEXT_PIN_L3_TABLE 2
#define MMUEXT_PIN_L4_TABLE 3
#define MMUEXT_UNPIN_TABLE 4
#define MMUEXT_NEW_BASEPTR 5
#define MMUEXT_TLB_FLUSH_LOCAL 6
#define MMUEXT_INVLPG_LOCAL 7
#define MMUEXT_TLB_FLUSH_MULTI 8
#define MMUEXT_INVLPG_MULTI 9
#define MMUEXT_TLB_FLUSH_ALL 0xa
#define MMUEXT_INVLPG_ALL 0xb
#define MMUEXT_FLUSH_CACHE 0xc
#define MMUEXT_SET_LDT 0xd
#define MMUEXT_NEW_USER_BASEPTR 0xf
#define MMUEXT_CLEAR_PAGE 0x10
#define MMUEXT_COPY_PAGE 0x11
#define MMUEXT_FLUSH_CACHE_GLOBAL 0x12
#define MMUEXT_MARK_SUPER 0x13
#define MMUEXT_UNMARK_SUPER 0x14
#define UVMF_NONE 0
#define UVMF_TLB_FLUSH 1
#define UVMF_INVLPG 2
#define UVMF_FLUSHTYPE_MASK 3
#define UVMF_MULTI 0
#define UVMF_LOCAL 0
#define UVMF_ALL 4
#define CONSOLEIO_write 0
#define CONSOLEIO_read 1
#define VMASST_CMD_enable 0
#define VMASST_CMD_disable 1
#define VMASST_TYPE_4gb_segments 0
#define VMASST_TYPE_4gb_segments_notify 1
#define VMASST_TYPE_writable_pagetables 2
#define VMASST_TYPE_pae_extended_cr3 3
#define VMASST_TYPE_architectural_iopl 4
#define VMASST_TYPE_runstate_update_flag 5
#define VMASST_TYPE_m2p_strict 0x20
#define DOMID_FIRST_RESERVED 0x7ff0
#define DOMID_SELF 0x7ff0
#define DOMID_IO 0x7ff1
#define DOMID_XEN 0x7ff2
#define DOMID_COW 0x7ff3
#define DOMID_INVALID 0x7ff4
#define DOMID_IDLE 0x7fff
#define DOMID_MASK 0x7fff
#define DOMID_ANY 0x7ff5
#define XEN_PVCLOCK_TSC_STABLE_BIT 1
#define XEN_PVCLOCK_GUEST_STOPPED 2
#define MAX_GUEST_CMDLINE 0x400
#define SIF_PRIVILEGED 1
#define SIF_INITDOMAIN 2
#define SIF_MULTIBOOT_MOD 4
#define SIF_MOD_START_PFN 8
#define SIF_VIRT_P2M_4TOOLS 0x10
#define SIF_PM_MASK 0xff00
#define XEN_VGATYPE_TEXT_MODE_3 3
#define XEN_VGATYPE_VESA_LFB 0x23
#define XEN_VGATYPE_EFI_LFB 0x70

#ifdef __i386__
#undef FLAT_KERNEL_CS
#define FLAT_KERNEL_CS FLAT_RING1_CS
#undef FLAT_KERNEL_DS
#define FLAT_KERNEL_DS FLAT_RING1_DS
#undef FLAT_KERNEL_SS
#define FLAT_KERNEL_SS FLAT_RING1_SS
#undef FLAT_USER_CS
#define FLAT_USER_CS FLAT_RING3_CS
#undef FLAT_USER_DS
#define FLAT_USER_DS FLAT_RING3_DS
#undef FLAT_USER_SS
#define FLAT_USER_SS FLAT_RING3_SS
#undef HYPERVISOR_VIRT_START
#define HYPERVISOR_VIRT_START HYPERVISOR_VIRT_START_PAE
#undef MACH2PHYS_VIRT_START
#define MACH2PHYS_VIRT_START MACH2PHYS_VIRT_START_PAE
#undef MACH2PHYS_VIRT_END
#define MACH2PHYS_VIRT_END MACH2PHYS_VIRT_END_PAE
#endif

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

#define XEN_ASSERT(condition) _Static_assert(condition, #condition)

typedef uint16_t domid_t;
typedef unsigned long xen_ulong_t;
typedef unsigned long xen_pfn_t;
typedef uint32_t evtchn_port_t;
typedef uint32_t grant_ref_t;
typedef uint32_t grant_handle_t;

#define set_xen_guest_handle(handle, address) ((handle) = (void *)(address))

#ifdef __i386__
struct trap_info {
    uint8_t vector;
    uint8_t flags;
    uint16_t cs;
    xen_ulong_t address;
};
typedef struct trap_info trap_info_t;
XEN_ASSERT(sizeof(struct trap_info) == 8);
XEN_ASSERT(offsetof(struct trap_info, vector) == 0);
XEN_ASSERT(offsetof(struct trap_info, flags) == 1);
XEN_ASSERT(offsetof(struct trap_info, cs) == 2);
XEN_ASSERT(offsetof(struct trap_info, address) == 4);

struct cpu_user_regs {
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
    uint32_t esi;
    uint32_t edi;
    uint32_t ebp;
    uint32_t eax;
    uint16_t error_code;
    uint16_t entry_vector;
    uint32_t eip;
    uint16_t cs;
    uint8_t saved_upcall_mask;
    uint8_t _pad0;
    uint32_t eflags;
    uint32_t esp;
    uint16_t ss;
    uint16_t _pad1;
    uint16_t es;
    uint16_t _pad2;
    uint16_t ds;
    uint16_t _pad3;
    uint16_t fs;
    uint16_t _pad4;
    uint16_t gs;
    uint16_t _pad5;
};
typedef struct cpu_user_regs cpu_user_regs_t;
XEN_ASSERT(sizeof(struct cpu_user_regs) == 68);
XEN_ASSERT(offsetof(struct cpu_user_regs, ebx) == 0);
XEN_ASSERT(offsetof(struct cpu_user_regs, ecx) == 4);
XEN_ASSERT(offsetof(struct cpu_user_regs, edx) == 8);
XEN_ASSERT(offsetof(struct cpu_user_regs, esi) == 12);
XEN_ASSERT(offsetof(struct cpu_user_regs, edi) == 16);
XEN_ASSERT(offsetof(struct cpu_user_regs, ebp) == 20);
XEN_ASSERT(offsetof(struct cpu_user_regs, eax) == 24);
XEN_ASSERT(offsetof(struct cpu_user_regs, error_code) == 28);
XEN_ASSERT(offsetof(struct cpu_user_regs, entry_vector) == 30);
XEN_ASSERT(offsetof(struct cpu_user_regs, eip) == 32);
XEN_ASSERT(offsetof(struct cpu_user_regs, cs) == 36);
XEN_ASSERT(offsetof(struct cpu_user_regs, saved_upcall_mask) == 38);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad0) == 39);
XEN_ASSERT(offsetof(struct cpu_user_regs, eflags) == 40);
XEN_ASSERT(offsetof(struct cpu_user_regs, esp) == 44);
XEN_ASSERT(offsetof(struct cpu_user_regs, ss) == 48);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad1) == 50);
XEN_ASSERT(offsetof(struct cpu_user_regs, es) == 52);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad2) == 54);
XEN_ASSERT(offsetof(struct cpu_user_regs, ds) == 56);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad3) == 58);
XEN_ASSERT(offsetof(struct cpu_user_regs, fs) == 60);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad4) == 62);
XEN_ASSERT(offsetof(struct cpu_user_regs, gs) == 64);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad5) == 66);

struct vcpu_guest_context {
    struct {
        char x[512];
    } fpu_ctxt;
    xen_ulong_t flags;
    struct cpu_user_regs user_regs;
    struct trap_info trap_ctxt[256];
    xen_ulong_t ldt_base;
    xen_ulong_t ldt_ents;
    xen_ulong_t gdt_frames[16];
    xen_ulong_t gdt_ents;
    xen_ulong_t kernel_ss;
    xen_ulong_t kernel_sp;
    xen_ulong_t ctrlreg[8];
    xen_ulong_t debugreg[8];
    xen_ulong_t event_callback_cs;
    xen_ulong_t event_callback_eip;
    xen_ulong_t failsafe_callback_cs;
    xen_ulong_t failsafe_callback_eip;
    xen_ulong_t vm_assist;
};
typedef struct vcpu_guest_context vcpu_guest_context_t;
XEN_ASSERT(sizeof(struct vcpu_guest_context) == 2800);
XEN_ASSERT(offsetof(struct vcpu_guest_context, fpu_ctxt) == 0);
XEN_ASSERT(offsetof(struct vcpu_guest_context, flags) == 512);
XEN_ASSERT(offsetof(struct vcpu_guest_context, user_regs) == 516);
XEN_ASSERT(offsetof(struct vcpu_guest_context, trap_ctxt) == 584);
XEN_ASSERT(offsetof(struct vcpu_guest_context, ldt_base) == 2632);
XEN_ASSERT(offsetof(struct vcpu_guest_context, ldt_ents) == 2636);
XEN_ASSERT(offsetof(struct vcpu_guest_context, gdt_frames) == 2640);
XEN_ASSERT(offsetof(struct vcpu_guest_context, gdt_ents) == 2704);
XEN_ASSERT(offsetof(struct vcpu_guest_context, kernel_ss) == 2708);
XEN_ASSERT(offsetof(struct vcpu_guest_context, kernel_sp) == 2712);
XEN_ASSERT(offsetof(struct vcpu_guest_context, ctrlreg) == 2716);
XEN_ASSERT(offsetof(struct vcpu_guest_context, debugreg) == 2748);
XEN_ASSERT(offsetof(struct vcpu_guest_context, event_callback_cs) == 2780);
XEN_ASSERT(offsetof(struct vcpu_guest_context, event_callback_eip) == 2784);
XEN_ASSERT(offsetof(struct vcpu_guest_context, failsafe_callback_cs) == 2788);
XEN_ASSERT(offsetof(struct vcpu_guest_context, failsafe_callback_eip) == 2792);
XEN_ASSERT(offsetof(struct vcpu_guest_context, vm_assist) == 2796);

struct arch_shared_info {
    xen_ulong_t max_pfn;
    xen_pfn_t pfn_to_mfn_frame_list_list;
    xen_ulong_t nmi_reason;
    xen_ulong_t p2m_cr3;
    xen_ulong_t p2m_vaddr;
    xen_ulong_t p2m_generation;
    uint32_t wc_sec_hi;
};
typedef struct arch_shared_info arch_shared_info_t;
XEN_ASSERT(sizeof(struct arch_shared_info) == 28);
XEN_ASSERT(offsetof(struct arch_shared_info, max_pfn) == 0);
XEN_ASSERT(offsetof(struct arch_shared_info, pfn_to_mfn_frame_list_list) == 4);
XEN_ASSERT(offsetof(struct arch_shared_info, nmi_reason) == 8);
XEN_ASSERT(offsetof(struct arch_shared_info, p2m_cr3) == 12);
XEN_ASSERT(offsetof(struct arch_shared_info, p2m_vaddr) == 16);
XEN_ASSERT(offsetof(struct arch_shared_info, p2m_generation) == 20);
XEN_ASSERT(offsetof(struct arch_shared_info, wc_sec_hi) == 24);

struct arch_vcpu_info {
    xen_ulong_t cr2;
    xen_ulong_t pad[5];
};
typedef struct arch_vcpu_info arch_vcpu_info_t;
XEN_ASSERT(sizeof(struct arch_vcpu_info) == 24);
XEN_ASSERT(offsetof(struct arch_vcpu_info, cr2) == 0);
XEN_ASSERT(offsetof(struct arch_vcpu_info, pad) == 4);

struct xen_callback {
    xen_ulong_t cs;
    xen_ulong_t eip;
};
typedef struct xen_callback xen_callback_t;
XEN_ASSERT(sizeof(struct xen_callback) == 8);
XEN_ASSERT(offsetof(struct xen_callback, cs) == 0);
XEN_ASSERT(offsetof(struct xen_callback, eip) == 4);

struct xen_cpuid_leaf {
    uint32_t leaf;
    uint32_t subleaf;
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
};
typedef struct xen_cpuid_leaf xen_cpuid_leaf_t;
XEN_ASSERT(sizeof(struct xen_cpuid_leaf) == 24);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, leaf) == 0);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, subleaf) == 4);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, a) == 8);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, b) == 12);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, c) == 16);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, d) == 20);

struct xen_msr_entry {
    uint32_t idx;
    uint32_t flags;
    uint64_t val;
};
typedef struct xen_msr_entry xen_msr_entry_t;
XEN_ASSERT(sizeof(struct xen_msr_entry) == 16);
XEN_ASSERT(offsetof(struct xen_msr_entry, idx) == 0);
XEN_ASSERT(offsetof(struct xen_msr_entry, flags) == 4);
XEN_ASSERT(offsetof(struct xen_msr_entry, val) == 8);

struct callback_register {
    uint16_t type;
    uint16_t flags;
    struct xen_callback address;
};
typedef struct callback_register callback_register_t;
XEN_ASSERT(sizeof(struct callback_register) == 12);
XEN_ASSERT(offsetof(struct callback_register, type) == 0);
XEN_ASSERT(offsetof(struct callback_register, flags) == 2);
XEN_ASSERT(offsetof(struct callback_register, address) == 4);

struct callback_unregister {
    uint16_t type;
    uint16_t _unused;
};
typedef struct callback_unregister callback_unregister_t;
XEN_ASSERT(sizeof(struct callback_unregister) == 4);
XEN_ASSERT(offsetof(struct callback_unregister, type) == 0);
XEN_ASSERT(offsetof(struct callback_unregister, _unused) == 2);

struct xennmi_callback {
    xen_ulong_t handler_address;
    xen_ulong_t pad;
};
typedef struct xennmi_callback xennmi_callback_t;
XEN_ASSERT(sizeof(struct xennmi_callback) == 8);
XEN_ASSERT(offsetof(struct xennmi_callback, handler_address) == 0);
XEN_ASSERT(offsetof(struct xennmi_callback, pad) == 4);

struct evtchn_alloc_unbound {
    uint16_t dom;
    uint16_t remote_dom;
    uint32_t port;
};
typedef struct evtchn_alloc_unbound evtchn_alloc_unbound_t;
XEN_ASSERT(sizeof(struct evtchn_alloc_unbound) == 8);
XEN_ASSERT(offsetof(struct evtchn_alloc_unbound, dom) == 0);
XEN_ASSERT(offsetof(struct evtchn_alloc_unbound, remote_dom) == 2);
XEN_ASSERT(offsetof(struct evtchn_alloc_unbound, port) == 4);

struct evtchn_bind_interdomain {
    uint16_t remote_dom;
    uint32_t remote_port;
    uint32_t local_port;
};
typedef struct evtchn_bind_interdomain evtchn_bind_interdomain_t;
XEN_ASSERT(sizeof(struct evtchn_bind_interdomain) == 12);
XEN_ASSERT(offsetof(struct evtchn_bind_interdomain, remote_dom) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_interdomain, remote_port) == 4);
XEN_ASSERT(offsetof(struct evtchn_bind_interdomain, local_port) == 8);

struct evtchn_bind_virq {
    uint32_t virq;
    uint32_t vcpu;
    uint32_t port;
};
typedef struct evtchn_bind_virq evtchn_bind_virq_t;
XEN_ASSERT(sizeof(struct evtchn_bind_virq) == 12);
XEN_ASSERT(offsetof(struct evtchn_bind_virq, virq) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_virq, vcpu) == 4);
XEN_ASSERT(offsetof(struct evtchn_bind_virq, port) == 8);

struct evtchn_bind_pirq {
    uint32_t pirq;
    uint32_t flags;
    uint32_t port;
};
typedef struct evtchn_bind_pirq evtchn_bind_pirq_t;
XEN_ASSERT(sizeof(struct evtchn_bind_pirq) == 12);
XEN_ASSERT(offsetof(struct evtchn_bind_pirq, pirq) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_pirq, flags) == 4);
XEN_ASSERT(offsetof(struct evtchn_bind_pirq, port) == 8);

struct evtchn_bind_ipi {
    uint32_t vcpu;
    uint32_t port;
};
typedef struct evtchn_bind_ipi evtchn_bind_ipi_t;
XEN_ASSERT(sizeof(struct evtchn_bind_ipi) == 8);
XEN_ASSERT(offsetof(struct evtchn_bind_ipi, vcpu) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_ipi, port) == 4);

struct evtchn_close {
    uint32_t port;
};
typedef struct evtchn_close evtchn_close_t;
XEN_ASSERT(sizeof(struct evtchn_close) == 4);
XEN_ASSERT(offsetof(struct evtchn_close, port) == 0);

struct evtchn_send {
    uint32_t port;
};
typedef struct evtchn_send evtchn_send_t;
XEN_ASSERT(sizeof(struct evtchn_send) == 4);
XEN_ASSERT(offsetof(struct evtchn_send, port) == 0);

struct evtchn_status {
    uint16_t dom;
    uint32_t port;
    uint32_t status;
    uint32_t vcpu;
    union {
        struct {
            uint16_t dom;
        } unbound;
        struct {
            uint16_t dom;
            uint32_t port;
        } interdomain;
        uint32_t pirq;
        uint32_t virq;
    } u;
};
typedef struct evtchn_status evtchn_status_t;
XEN_ASSERT(sizeof(struct evtchn_status) == 24);
XEN_ASSERT(offsetof(struct evtchn_status, dom) == 0);
XEN_ASSERT(offsetof(struct evtchn_status, port) == 4);
XEN_ASSERT(offsetof(struct evtchn_status, status) == 8);
XEN_ASSERT(offsetof(struct evtchn_status, vcpu) == 12);
XEN_ASSERT(offsetof(struct evtchn_status, u) == 16);

struct evtchn_bind_vcpu {
    uint32_t port;
    uint32_t vcpu;
};
typedef struct evtchn_bind_vcpu evtchn_bind_vcpu_t;
XEN_ASSERT(sizeof(struct evtchn_bind_vcpu) == 8);
XEN_ASSERT(offsetof(struct evtchn_bind_vcpu, port) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_vcpu, vcpu) == 4);

struct evtchn_unmask {
    uint32_t port;
};
typedef struct evtchn_unmask evtchn_unmask_t;
XEN_ASSERT(sizeof(struct evtchn_unmask) == 4);
XEN_ASSERT(offsetof(struct evtchn_unmask, port) == 0);

struct evtchn_reset {
    uint16_t dom;
};
typedef struct evtchn_reset evtchn_reset_t;
XEN_ASSERT(sizeof(struct evtchn_reset) == 2);
XEN_ASSERT(offsetof(struct evtchn_reset, dom) == 0);

struct evtchn_init_control {
    uint64_t control_gfn;
    uint32_t offset;
    uint32_t vcpu;
    uint8_t link_bits;
    uint8_t _pad[7];
};
typedef struct evtchn_init_control evtchn_init_control_t;
XEN_ASSERT(sizeof(struct evtchn_init_control) == 24);
XEN_ASSERT(offsetof(struct evtchn_init_control, control_gfn) == 0);
XEN_ASSERT(offsetof(struct evtchn_init_control, offset) == 8);
XEN_ASSERT(offsetof(struct evtchn_init_control, vcpu) == 12);
XEN_ASSERT(offsetof(struct evtchn_init_control, link_bits) == 16);
XEN_ASSERT(offsetof(struct evtchn_init_control, _pad) == 17);

struct evtchn_expand_array {
    uint64_t array_gfn;
};
typedef struct evtchn_expand_array evtchn_expand_array_t;
XEN_ASSERT(sizeof(struct evtchn_expand_array) == 8);
XEN_ASSERT(offsetof(struct evtchn_expand_array, array_gfn) == 0);

struct evtchn_set_priority {
    uint32_t port;
    uint32_t priority;
};
typedef struct evtchn_set_priority evtchn_set_priority_t;
XEN_ASSERT(sizeof(struct evtchn_set_priority) == 8);
XEN_ASSERT(offsetof(struct evtchn_set_priority, port) == 0);
XEN_ASSERT(offsetof(struct evtchn_set_priority, priority) == 4);

struct evtchn_op {
    uint32_t cmd;
    union {
        struct evtchn_alloc_unbound alloc_unbound;
        struct evtchn_bind_interdomain bind_interdomain;
        struct evtchn_bind_virq bind_virq;
        struct evtchn_bind_pirq bind_pirq;
        struct evtchn_bind_ipi bind_ipi;
        struct evtchn_close close;
        struct evtchn_send send;
        struct evtchn_status status;
        struct evtchn_bind_vcpu bind_vcpu;
        struct evtchn_unmask unmask;
    } u;
};
typedef struct evtchn_op evtchn_op_t;
XEN_ASSERT(sizeof(struct evtchn_op) == 28);
XEN_ASSERT(offsetof(struct evtchn_op, cmd) == 0);
XEN_ASSERT(offsetof(struct evtchn_op, u) == 4);

struct evtchn_fifo_control_block {
    uint32_t ready;
    uint32_t _rsvd;
    uint32_t head[16];
};
typedef struct evtchn_fifo_control_block evtchn_fifo_control_block_t;
XEN_ASSERT(sizeof(struct evtchn_fifo_control_block) == 72);
XEN_ASSERT(offsetof(struct evtchn_fifo_control_block, ready) == 0);
XEN_ASSERT(offsetof(struct evtchn_fifo_control_block, _rsvd) == 4);
XEN_ASSERT(offsetof(struct evtchn_fifo_control_block, head) == 8);

struct grant_entry_v1 {
    uint16_t flags;
    uint16_t domid;
    uint32_t frame;
};
typedef struct grant_entry_v1 grant_entry_v1_t;
XEN_ASSERT(sizeof(struct grant_entry_v1) == 8);
XEN_ASSERT(offsetof(struct grant_entry_v1, flags) == 0);
XEN_ASSERT(offsetof(struct grant_entry_v1, domid) == 2);
XEN_ASSERT(offsetof(struct grant_entry_v1, frame) == 4);

struct grant_entry_header {
    uint16_t flags;
    uint16_t domid;
};
typedef struct grant_entry_header grant_entry_header_t;
XEN_ASSERT(sizeof(struct grant_entry_header) == 4);
XEN_ASSERT(offsetof(struct grant_entry_header, flags) == 0);
XEN_ASSERT(offsetof(struct grant_entry_header, domid) == 2);

union grant_entry_v2 {
    struct grant_entry_header hdr;
    struct {
        struct grant_entry_header hdr;
        uint32_t pad0;
        uint64_t frame;
    } full_page;
    struct {
        struct grant_entry_header hdr;
        uint16_t page_off;
        uint16_t length;
        uint64_t frame;
    } sub_page;
    struct {
        struct grant_entry_header hdr;
        uint16_t trans_domid;
        uint16_t pad0;
        uint32_t gref;
    } transitive;
    uint32_t __spacer[4];
};
typedef union grant_entry_v2 grant_entry_v2_t;
XEN_ASSERT(sizeof(union grant_entry_v2) == 16);
XEN_ASSERT(offsetof(union grant_entry_v2, hdr) == 0);
XEN_ASSERT(offsetof(union grant_entry_v2, full_page) == 0);
XEN_ASSERT(offsetof(union grant_entry_v2, sub_page) == 0);
XEN_ASSERT(offsetof(union grant_entry_v2, transitive) == 0);
XEN_ASSERT(offsetof(union grant_entry_v2, __spacer) == 0);

struct gnttab_map_grant_ref {
    uint64_t host_addr;
    uint32_t flags;
    uint32_t ref;
    uint16_t dom;
    int16_t status;
    uint32_t handle;
    uint64_t dev_bus_addr;
};
typedef struct gnttab_map_grant_ref gnttab_map_grant_ref_t;
XEN_ASSERT(sizeof(struct gnttab_map_grant_ref) == 32);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, host_addr) == 0);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, flags) == 8);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, ref) == 12);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, dom) == 16);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, status) == 18);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, handle) == 20);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, dev_bus_addr) == 24);

struct gnttab_unmap_grant_ref {
    uint64_t host_addr;
    uint64_t dev_bus_addr;
    uint32_t handle;
    int16_t status;
};
typedef struct gnttab_unmap_grant_ref gnttab_unmap_grant_ref_t;
XEN_ASSERT(sizeof(struct gnttab_unmap_grant_ref) == 24);
XEN_ASSERT(offsetof(struct gnttab_unmap_grant_ref, host_addr) == 0);
XEN_ASSERT(offsetof(struct gnttab_unmap_grant_ref, dev_bus_addr) == 8);
XEN_ASSERT(offsetof(struct gnttab_unmap_grant_ref, handle) == 16);
XEN_ASSERT(offsetof(struct gnttab_unmap_grant_ref, status) == 20);

struct gnttab_setup_table {
    uint16_t dom;
    uint32_t nr_frames;
    int16_t status;
    void *frame_list;
};
typedef struct gnttab_setup_table gnttab_setup_table_t;
XEN_ASSERT(sizeof(struct gnttab_setup_table) == 16);
XEN_ASSERT(offsetof(struct gnttab_setup_table, dom) == 0);
XEN_ASSERT(offsetof(struct gnttab_setup_table, nr_frames) == 4);
XEN_ASSERT(offsetof(struct gnttab_setup_table, status) == 8);
XEN_ASSERT(offsetof(struct gnttab_setup_table, frame_list) == 12);

struct gnttab_dump_table {
    uint16_t dom;
    int16_t status;
};
typedef struct gnttab_dump_table gnttab_dump_table_t;
XEN_ASSERT(sizeof(struct gnttab_dump_table) == 4);
XEN_ASSERT(offsetof(struct gnttab_dump_table, dom) == 0);
XEN_ASSERT(offsetof(struct gnttab_dump_table, status) == 2);

struct gnttab_transfer {
    xen_pfn_t mfn;
    uint16_t domid;
    uint32_t ref;
    int16_t status;
};
typedef struct gnttab_transfer gnttab_transfer_t;
XEN_ASSERT(sizeof(struct gnttab_transfer) == 16);
XEN_ASSERT(offsetof(struct gnttab_transfer, mfn) == 0);
XEN_ASSERT(offsetof(struct gnttab_transfer, domid) == 4);
XEN_ASSERT(offsetof(struct gnttab_transfer, ref) == 8);
XEN_ASSERT(offsetof(struct gnttab_transfer, status) == 12);

struct gnttab_copy_ptr {
    union {
        uint32_t ref;
        xen_pfn_t gmfn;
    } u;
    uint16_t domid;
    uint16_t offset;
};
typedef struct gnttab_copy_ptr gnttab_copy_ptr_t;
XEN_ASSERT(sizeof(struct gnttab_copy_ptr) == 8);
XEN_ASSERT(offsetof(struct gnttab_copy_ptr, u) == 0);
XEN_ASSERT(offsetof(struct gnttab_copy_ptr, domid) == 4);
XEN_ASSERT(offsetof(struct gnttab_copy_ptr, offset) == 6);

struct gnttab_copy {
    struct gnttab_copy_ptr source;
    struct gnttab_copy_ptr dest;
    uint16_t len;
    uint16_t flags;
    int16_t status;
};
typedef struct gnttab_copy gnttab_copy_t;
XEN_ASSERT(sizeof(struct gnttab_copy) == 24);
XEN_ASSERT(offsetof(struct gnttab_copy, source) == 0);
XEN_ASSERT(offsetof(struct gnttab_copy, dest) == 8);
XEN_ASSERT(offsetof(struct gnttab_copy, len) == 16);
XEN_ASSERT(offsetof(struct gnttab_copy, flags) == 18);
XEN_ASSERT(offsetof(struct gnttab_copy, status) == 20);

struct gnttab_query_size {
    uint16_t dom;
    uint32_t nr_frames;
    uint32_t max_nr_frames;
    int16_t status;
};
typedef struct gnttab_query_size gnttab_query_size_t;
XEN_ASSERT(sizeof(struct gnttab_query_size) == 16);
XEN_ASSERT(offsetof(struct gnttab_query_size, dom) == 0);
XEN_ASSERT(offsetof(struct gnttab_query_size, nr_frames) == 4);
XEN_ASSERT(offsetof(struct gnttab_query_size, max_nr_frames) == 8);
XEN_ASSERT(offsetof(struct gnttab_query_size, status) == 12);

struct gnttab_unmap_and_replace {
    uint64_t host_addr;
    uint64_t new_addr;
    uint32_t handle;
    int16_t status;
};
typedef struct gnttab_unmap_and_replace gnttab_unmap_and_replace_t;
XEN_ASSERT(sizeof(struct gnttab_unmap_and_replace) == 24);
XEN_ASSERT(offsetof(struct gnttab_unmap_and_replace, host_addr) == 0);
XEN_ASSERT(offsetof(struct gnttab_unmap_and_replace, new_addr) == 8);
XEN_ASSERT(offsetof(struct gnttab_unmap_and_replace, handle) == 16);
XEN_ASSERT(offsetof(struct gnttab_unmap_and_replace, status) == 20);

struct gnttab_set_version {
    uint32_t version;
};
typedef struct gnttab_set_version gnttab_set_version_t;
XEN_ASSERT(sizeof(struct gnttab_set_version) == 4);
XEN_ASSERT(offsetof(struct gnttab_set_version, version) == 0);

struct gnttab_get_status_frames {
    uint32_t nr_frames;
    uint16_t dom;
    int16_t status;
    void *frame_list;
};
typedef struct gnttab_get_status_frames gnttab_get_status_frames_t;
XEN_ASSERT(sizeof(struct gnttab_get_status_frames) == 12);
XEN_ASSERT(offsetof(struct gnttab_get_status_frames, nr_frames) == 0);
XEN_ASSERT(offsetof(struct gnttab_get_status_frames, dom) == 4);
XEN_ASSERT(offsetof(struct gnttab_get_status_frames, status) == 6);
XEN_ASSERT(offsetof(struct gnttab_get_status_frames, frame_list) == 8);

struct gnttab_get_version {
    uint16_t dom;
    uint16_t pad;
    uint32_t version;
};
typedef struct gnttab_get_version gnttab_get_version_t;
XEN_ASSERT(sizeof(struct gnttab_get_version) == 8);
XEN_ASSERT(offsetof(struct gnttab_get_version, dom) == 0);
XEN_ASSERT(offsetof(struct gnttab_get_version, pad) == 2);
XEN_ASSERT(offsetof(struct gnttab_get_version, version) == 4);

struct gnttab_swap_grant_ref {
    uint32_t ref_a;
    uint32_t ref_b;
    int16_t status;
};
typedef struct gnttab_swap_grant_ref gnttab_swap_grant_ref_t;
XEN_ASSERT(sizeof(struct gnttab_swap_grant_ref) == 12);
XEN_ASSERT(offsetof(struct gnttab_swap_grant_ref, ref_a) == 0);
XEN_ASSERT(offsetof(struct gnttab_swap_grant_ref, ref_b) == 4);
XEN_ASSERT(offsetof(struct gnttab_swap_grant_ref, status) == 8);

struct gnttab_cache_flush {
    union {
        uint64_t dev_bus_addr;
        uint32_t ref;
    } a;
    uint16_t offset;
    uint16_t length;
    uint32_t op;
};
typedef struct gnttab_cache_flush gnttab_cache_flush_t;
XEN_ASSERT(sizeof(struct gnttab_cache_flush) == 16);
XEN_ASSERT(offsetof(struct gnttab_cache_flush, a) == 0);
XEN_ASSERT(offsetof(struct gnttab_cache_flush, offset) == 8);
XEN_ASSERT(offsetof(struct gnttab_cache_flush, length) == 10);
XEN_ASSERT(offsetof(struct gnttab_cache_flush, op) == 12);

struct hvm_start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr;
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr;
    uint32_t memmap_entries;
    uint32_t reserved;
};
typedef struct hvm_start_info hvm_start_info_t;
XEN_ASSERT(sizeof(struct hvm_start_info) == 56);
XEN_ASSERT(offsetof(struct hvm_start_info, magic) == 0);
XEN_ASSERT(offsetof(struct hvm_start_info, version) == 4);
XEN_ASSERT(offsetof(struct hvm_start_info, flags) == 8);
XEN_ASSERT(offsetof(struct hvm_start_info, nr_modules) == 12);
XEN_ASSERT(offsetof(struct hvm_start_info, modlist_paddr) == 16);
XEN_ASSERT(offsetof(struct hvm_start_info, cmdline_paddr) == 24);
XEN_ASSERT(offsetof(struct hvm_start_info, rsdp_paddr) == 32);
XEN_ASSERT(offsetof(struct hvm_start_info, memmap_paddr) == 40);
XEN_ASSERT(offsetof(struct hvm_start_info, memmap_entries) == 48);
XEN_ASSERT(offsetof(struct hvm_start_info, reserved) == 52);

struct hvm_modlist_entry {
    uint64_t paddr;
    uint64_t size;
    uint64_t cmdline_paddr;
    uint64_t reserved;
};
typedef struct hvm_modlist_entry hvm_modlist_entry_t;
XEN_ASSERT(sizeof(struct hvm_modlist_entry) == 32);
XEN_ASSERT(offsetof(struct hvm_modlist_entry, paddr) == 0);
XEN_ASSERT(offsetof(struct hvm_modlist_entry, size) == 8);
XEN_ASSERT(offsetof(struct hvm_modlist_entry, cmdline_paddr) == 16);
XEN_ASSERT(offsetof(struct hvm_modlist_entry, reserved) == 24);

struct hvm_memmap_table_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};
typedef struct hvm_memmap_table_entry hvm_memmap_table_entry_t;
XEN_ASSERT(sizeof(struct hvm_memmap_table_entry) == 24);
XEN_ASSERT(offsetof(struct hvm_memmap_table_entry, addr) == 0);
XEN_ASSERT(offsetof(struct hvm_memmap_table_entry, size) == 8);
XEN_ASSERT(offsetof(struct hvm_memmap_table_entry, type) == 16);
XEN_ASSERT(offsetof(struct hvm_memmap_table_entry, reserved) == 20);

struct xencons_interface {
    char in[1024];
    char out[2048];
    uint32_t in_cons;
    uint32_t in_prod;
    uint32_t out_cons;
    uint32_t out_prod;
    uint8_t connection;
};
typedef struct xencons_interface xencons_interface_t;
XEN_ASSERT(sizeof(struct xencons_interface) == 3092);
XEN_ASSERT(offsetof(struct xencons_interface, in) == 0);
XEN_ASSERT(offsetof(struct xencons_interface, out) == 1024);
XEN_ASSERT(offsetof(struct xencons_interface, in_cons) == 3072);
XEN_ASSERT(offsetof(struct xencons_interface, in_prod) == 3076);
XEN_ASSERT(offsetof(struct xencons_interface, out_cons) == 3080);
XEN_ASSERT(offsetof(struct xencons_interface, out_prod) == 3084);
XEN_ASSERT(offsetof(struct xencons_interface, connection) == 3088);

struct xenstore_domain_interface {
    char req[1024];
    char rsp[1024];
    uint32_t req_cons;
    uint32_t req_prod;
    uint32_t rsp_cons;
    uint32_t rsp_prod;
    uint32_t server_features;
    uint32_t connection;
    uint32_t error;
    uint32_t evtchn_port;
};
typedef struct xenstore_domain_interface xenstore_domain_interface_t;
XEN_ASSERT(sizeof(struct xenstore_domain_interface) == 2080);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, req) == 0);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, rsp) == 1024);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, req_cons) == 2048);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, req_prod) == 2052);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, rsp_cons) == 2056);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, rsp_prod) == 2060);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, server_features) == 2064);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, connection) == 2068);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, error) == 2072);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, evtchn_port) == 2076);

struct xsd_sockmsg {
    uint32_t type;
    uint32_t req_id;
    uint32_t tx_id;
    uint32_t len;
};
typedef struct xsd_sockmsg xsd_sockmsg_t;
XEN_ASSERT(sizeof(struct xsd_sockmsg) == 16);
XEN_ASSERT(offsetof(struct xsd_sockmsg, type) == 0);
XEN_ASSERT(offsetof(struct xsd_sockmsg, req_id) == 4);
XEN_ASSERT(offsetof(struct xsd_sockmsg, tx_id) == 8);
XEN_ASSERT(offsetof(struct xsd_sockmsg, len) == 12);

struct blkif_request_segment {
    uint32_t gref;
    uint8_t first_sect;
    uint8_t last_sect;
};
typedef struct blkif_request_segment blkif_request_segment_t;
XEN_ASSERT(sizeof(struct blkif_request_segment) == 8);
XEN_ASSERT(offsetof(struct blkif_request_segment, gref) == 0);
XEN_ASSERT(offsetof(struct blkif_request_segment, first_sect) == 4);
XEN_ASSERT(offsetof(struct blkif_request_segment, last_sect) == 5);

struct blkif_request {
    uint8_t operation;
    uint8_t nr_segments;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    struct blkif_request_segment seg[11];
};
typedef struct blkif_request blkif_request_t;
XEN_ASSERT(sizeof(struct blkif_request) == 108);
XEN_ASSERT(offsetof(struct blkif_request, operation) == 0);
XEN_ASSERT(offsetof(struct blkif_request, nr_segments) == 1);
XEN_ASSERT(offsetof(struct blkif_request, handle) == 2);
XEN_ASSERT(offsetof(struct blkif_request, id) == 4);
XEN_ASSERT(offsetof(struct blkif_request, sector_number) == 12);
XEN_ASSERT(offsetof(struct blkif_request, seg) == 20);

struct blkif_request_discard {
    uint8_t operation;
    uint8_t flag;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    uint64_t nr_sectors;
};
typedef struct blkif_request_discard blkif_request_discard_t;
XEN_ASSERT(sizeof(struct blkif_request_discard) == 28);
XEN_ASSERT(offsetof(struct blkif_request_discard, operation) == 0);
XEN_ASSERT(offsetof(struct blkif_request_discard, flag) == 1);
XEN_ASSERT(offsetof(struct blkif_request_discard, handle) == 2);
XEN_ASSERT(offsetof(struct blkif_request_discard, id) == 4);
XEN_ASSERT(offsetof(struct blkif_request_discard, sector_number) == 12);
XEN_ASSERT(offsetof(struct blkif_request_discard, nr_sectors) == 20);

struct blkif_request_indirect {
    uint8_t operation;
    uint8_t indirect_op;
    uint16_t nr_segments;
    uint64_t id;
    uint64_t sector_number;
    uint16_t handle;
    uint32_t indirect_grefs[8];
    uint64_t pad;
};
typedef struct blkif_request_indirect blkif_request_indirect_t;
XEN_ASSERT(sizeof(struct blkif_request_indirect) == 64);
XEN_ASSERT(offsetof(struct blkif_request_indirect, operation) == 0);
XEN_ASSERT(offsetof(struct blkif_request_indirect, indirect_op) == 1);
XEN_ASSERT(offsetof(struct blkif_request_indirect, nr_segments) == 2);
XEN_ASSERT(offsetof(struct blkif_request_indirect, id) == 4);
XEN_ASSERT(offsetof(struct blkif_request_indirect, sector_number) == 12);
XEN_ASSERT(offsetof(struct blkif_request_indirect, handle) == 20);
XEN_ASSERT(offsetof(struct blkif_request_indirect, indirect_grefs) == 24);
XEN_ASSERT(offsetof(struct blkif_request_indirect, pad) == 56);

struct blkif_response {
    uint64_t id;
    uint8_t operation;
    int16_t status;
};
typedef struct blkif_response blkif_response_t;
XEN_ASSERT(sizeof(struct blkif_response) == 12);
XEN_ASSERT(offsetof(struct blkif_response, id) == 0);
XEN_ASSERT(offsetof(struct blkif_response, operation) == 8);
XEN_ASSERT(offsetof(struct blkif_response, status) == 10);

struct blkif_sring {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union {
        struct blkif_request req;
        struct blkif_response rsp;
    } ring[1];
};
typedef struct blkif_sring blkif_sring_t;
XEN_ASSERT(sizeof(struct blkif_sring) == 172);
XEN_ASSERT(offsetof(struct blkif_sring, req_prod) == 0);
XEN_ASSERT(offsetof(struct blkif_sring, req_event) == 4);
XEN_ASSERT(offsetof(struct blkif_sring, rsp_prod) == 8);
XEN_ASSERT(offsetof(struct blkif_sring, rsp_event) == 12);
XEN_ASSERT(offsetof(struct blkif_sring, pvt) == 16);
XEN_ASSERT(offsetof(struct blkif_sring, __pad) == 20);
XEN_ASSERT(offsetof(struct blkif_sring, ring) == 64);

struct netif_tx_request {
    uint32_t gref;
    uint16_t offset;
    uint16_t flags;
    uint16_t id;
    uint16_t size;
};
typedef struct netif_tx_request netif_tx_request_t;
XEN_ASSERT(sizeof(struct netif_tx_request) == 12);
XEN_ASSERT(offsetof(struct netif_tx_request, gref) == 0);
XEN_ASSERT(offsetof(struct netif_tx_request, offset) == 4);
XEN_ASSERT(offsetof(struct netif_tx_request, flags) == 6);
XEN_ASSERT(offsetof(struct netif_tx_request, id) == 8);
XEN_ASSERT(offsetof(struct netif_tx_request, size) == 10);

struct netif_extra_info {
    uint8_t type;
    uint8_t flags;
    union {
        struct {
            uint16_t size;
            uint8_t type;
            uint8_t pad;
            uint16_t features;
        } gso;
        struct {
            uint8_t addr[6];
        } mcast;
        struct {
            uint8_t type;
            uint8_t algorithm;
            uint8_t value[4];
        } hash;
        uint16_t pad[3];
    } u;
};
typedef struct netif_extra_info netif_extra_info_t;
XEN_ASSERT(sizeof(struct netif_extra_info) == 8);
XEN_ASSERT(offsetof(struct netif_extra_info, type) == 0);
XEN_ASSERT(offsetof(struct netif_extra_info, flags) == 1);
XEN_ASSERT(offsetof(struct netif_extra_info, u) == 2);

struct netif_tx_response {
    uint16_t id;
    int16_t status;
};
typedef struct netif_tx_response netif_tx_response_t;
XEN_ASSERT(sizeof(struct netif_tx_response) == 4);
XEN_ASSERT(offsetof(struct netif_tx_response, id) == 0);
XEN_ASSERT(offsetof(struct netif_tx_response, status) == 2);

struct netif_tx_sring {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union {
        struct netif_tx_request req;
        struct netif_tx_response rsp;
    } ring[1];
};
typedef struct netif_tx_sring netif_tx_sring_t;
XEN_ASSERT(sizeof(struct netif_tx_sring) == 76);
XEN_ASSERT(offsetof(struct netif_tx_sring, req_prod) == 0);
XEN_ASSERT(offsetof(struct netif_tx_sring, req_event) == 4);
XEN_ASSERT(offsetof(struct netif_tx_sring, rsp_prod) == 8);
XEN_ASSERT(offsetof(struct netif_tx_sring, rsp_event) == 12);
XEN_ASSERT(offsetof(struct netif_tx_sring, pvt) == 16);
XEN_ASSERT(offsetof(struct netif_tx_sring, __pad) == 20);
XEN_ASSERT(offsetof(struct netif_tx_sring, ring) == 64);

struct netif_rx_request {
    uint16_t id;
    uint16_t pad;
    uint32_t gref;
};
typedef struct netif_rx_request netif_rx_request_t;
XEN_ASSERT(sizeof(struct netif_rx_request) == 8);
XEN_ASSERT(offsetof(struct netif_rx_request, id) == 0);
XEN_ASSERT(offsetof(struct netif_rx_request, pad) == 2);
XEN_ASSERT(offsetof(struct netif_rx_request, gref) == 4);

struct netif_rx_response {
    uint16_t id;
    uint16_t offset;
    uint16_t flags;
    int16_t status;
};
typedef struct netif_rx_response netif_rx_response_t;
XEN_ASSERT(sizeof(struct netif_rx_response) == 8);
XEN_ASSERT(offsetof(struct netif_rx_response, id) == 0);
XEN_ASSERT(offsetof(struct netif_rx_response, offset) == 2);
XEN_ASSERT(offsetof(struct netif_rx_response, flags) == 4);
XEN_ASSERT(offsetof(struct netif_rx_response, status) == 6);

struct netif_rx_sring {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union {
        struct netif_rx_request req;
        struct netif_rx_response rsp;
    } ring[1];
};
typedef struct netif_rx_sring netif_rx_sring_t;
XEN_ASSERT(sizeof(struct netif_rx_sring) == 72);
XEN_ASSERT(offsetof(struct netif_rx_sring, req_prod) == 0);
XEN_ASSERT(offsetof(struct netif_rx_sring, req_event) == 4);
XEN_ASSERT(offsetof(struct netif_rx_sring, rsp_prod) == 8);
XEN_ASSERT(offsetof(struct netif_rx_sring, rsp_event) == 12);
XEN_ASSERT(offsetof(struct netif_rx_sring, pvt) == 16);
XEN_ASSERT(offsetof(struct netif_rx_sring, __pad) == 20);
XEN_ASSERT(offsetof(struct netif_rx_sring, ring) == 64);

struct xen_netif_ctrl_request {
    uint16_t id;
    uint16_t type;
    uint32_t data[3];
};
typedef struct xen_netif_ctrl_request xen_netif_ctrl_request_t;
XEN_ASSERT(sizeof(struct xen_netif_ctrl_request) == 16);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_request, id) == 0);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_request, type) == 2);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_request, data) == 4);

struct xen_netif_ctrl_response {
    uint16_t id;
    uint16_t type;
    uint32_t status;
    uint32_t data;
};
typedef struct xen_netif_ctrl_response xen_netif_ctrl_response_t;
XEN_ASSERT(sizeof(struct xen_netif_ctrl_response) == 12);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_response, id) == 0);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_response, type) == 2);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_response, status) == 4);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_response, data) == 8);

struct xen_netif_gref {
    uint32_t ref;
    uint16_t flags;
    uint16_t status;
};
typedef struct xen_netif_gref xen_netif_gref_t;
XEN_ASSERT(sizeof(struct xen_netif_gref) == 8);
XEN_ASSERT(offsetof(struct xen_netif_gref, ref) == 0);
XEN_ASSERT(offsetof(struct xen_netif_gref, flags) == 4);
XEN_ASSERT(offsetof(struct xen_netif_gref, status) == 6);

struct xen_netif_ctrl_sring {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union {
        struct xen_netif_ctrl_request req;
        struct xen_netif_ctrl_response rsp;
    } ring[1];
};
typedef struct xen_netif_ctrl_sring xen_netif_ctrl_sring_t;
XEN_ASSERT(sizeof(struct xen_netif_ctrl_sring) == 80);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, req_prod) == 0);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, req_event) == 4);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, rsp_prod) == 8);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, rsp_event) == 12);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, pvt) == 16);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, __pad) == 20);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, ring) == 64);

struct xen_memory_reservation {
    void *extent_start;
    xen_ulong_t nr_extents;
    uint32_t extent_order;
    uint32_t mem_flags;
    uint16_t domid;
};
typedef struct xen_memory_reservation xen_memory_reservation_t;
XEN_ASSERT(sizeof(struct xen_memory_reservation) == 20);
XEN_ASSERT(offsetof(struct xen_memory_reservation, extent_start) == 0);
XEN_ASSERT(offsetof(struct xen_memory_reservation, nr_extents) == 4);
XEN_ASSERT(offsetof(struct xen_memory_reservation, extent_order) == 8);
XEN_ASSERT(offsetof(struct xen_memory_reservation, mem_flags) == 12);
XEN_ASSERT(offsetof(struct xen_memory_reservation, domid) == 16);

struct xen_memory_exchange {
    struct xen_memory_reservation in;
    struct xen_memory_reservation out;
    xen_ulong_t nr_exchanged;
};
typedef struct xen_memory_exchange xen_memory_exchange_t;
XEN_ASSERT(sizeof(struct xen_memory_exchange) == 44);
XEN_ASSERT(offsetof(struct xen_memory_exchange, in) == 0);
XEN_ASSERT(offsetof(struct xen_memory_exchange, out) == 20);
XEN_ASSERT(offsetof(struct xen_memory_exchange, nr_exchanged) == 40);

struct xen_memory_domain {
    uint16_t domid;
};
typedef struct xen_memory_domain xen_memory_domain_t;
XEN_ASSERT(sizeof(struct xen_memory_domain) == 2);
XEN_ASSERT(offsetof(struct xen_memory_domain, domid) == 0);

struct xen_machphys_mfn_list {
    uint32_t max_extents;
    void *extent_start;
    uint32_t nr_extents;
};
typedef struct xen_machphys_mfn_list xen_machphys_mfn_list_t;
XEN_ASSERT(sizeof(struct xen_machphys_mfn_list) == 12);
XEN_ASSERT(offsetof(struct xen_machphys_mfn_list, max_extents) == 0);
XEN_ASSERT(offsetof(struct xen_machphys_mfn_list, extent_start) == 4);
XEN_ASSERT(offsetof(struct xen_machphys_mfn_list, nr_extents) == 8);

struct xen_machphys_mapping {
    xen_ulong_t v_start;
    xen_ulong_t v_end;
    xen_ulong_t max_mfn;
};
typedef struct xen_machphys_mapping xen_machphys_mapping_t;
XEN_ASSERT(sizeof(struct xen_machphys_mapping) == 12);
XEN_ASSERT(offsetof(struct xen_machphys_mapping, v_start) == 0);
XEN_ASSERT(offsetof(struct xen_machphys_mapping, v_end) == 4);
XEN_ASSERT(offsetof(struct xen_machphys_mapping, max_mfn) == 8);

struct xen_add_to_physmap {
    uint16_t domid;
    uint16_t size;
    uint32_t space;
    xen_ulong_t idx;
    xen_pfn_t gpfn;
};
typedef struct xen_add_to_physmap xen_add_to_physmap_t;
XEN_ASSERT(sizeof(struct xen_add_to_physmap) == 16);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, domid) == 0);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, size) == 2);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, space) == 4);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, idx) == 8);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, gpfn) == 12);

struct xen_add_to_physmap_batch {
    uint16_t domid;
    uint16_t space;
    uint16_t size;
    union {
        uint16_t foreign_domid;
        uint16_t res0;
    } u;
    void *idxs;
    void *gpfns;
    void *errs;
};
typedef struct xen_add_to_physmap_batch xen_add_to_physmap_batch_t;
XEN_ASSERT(sizeof(struct xen_add_to_physmap_batch) == 20);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, domid) == 0);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, space) == 2);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, size) == 4);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, u) == 6);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, idxs) == 8);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, gpfns) == 12);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, errs) == 16);

struct xen_remove_from_physmap {
    uint16_t domid;
    xen_pfn_t gpfn;
};
typedef struct xen_remove_from_physmap xen_remove_from_physmap_t;
XEN_ASSERT(sizeof(struct xen_remove_from_physmap) == 8);
XEN_ASSERT(offsetof(struct xen_remove_from_physmap, domid) == 0);
XEN_ASSERT(offsetof(struct xen_remove_from_physmap, gpfn) == 4);

struct xen_memory_map {
    uint32_t nr_entries;
    void *buffer;
};
typedef struct xen_memory_map xen_memory_map_t;
XEN_ASSERT(sizeof(struct xen_memory_map) == 8);
XEN_ASSERT(offsetof(struct xen_memory_map, nr_entries) == 0);
XEN_ASSERT(offsetof(struct xen_memory_map, buffer) == 4);

struct xen_foreign_memory_map {
    uint16_t domid;
    struct xen_memory_map map;
};
typedef struct xen_foreign_memory_map xen_foreign_memory_map_t;
XEN_ASSERT(sizeof(struct xen_foreign_memory_map) == 12);
XEN_ASSERT(offsetof(struct xen_foreign_memory_map, domid) == 0);
XEN_ASSERT(offsetof(struct xen_foreign_memory_map, map) == 4);

struct xen_pod_target {
    uint64_t target_pages;
    uint64_t tot_pages;
    uint64_t pod_cache_pages;
    uint64_t pod_entries;
    uint16_t domid;
};
typedef struct xen_pod_target xen_pod_target_t;
XEN_ASSERT(sizeof(struct xen_pod_target) == 36);
XEN_ASSERT(offsetof(struct xen_pod_target, target_pages) == 0);
XEN_ASSERT(offsetof(struct xen_pod_target, tot_pages) == 8);
XEN_ASSERT(offsetof(struct xen_pod_target, pod_cache_pages) == 16);
XEN_ASSERT(offsetof(struct xen_pod_target, pod_entries) == 24);
XEN_ASSERT(offsetof(struct xen_pod_target, domid) == 32);

struct xen_mem_acquire_resource {
    uint16_t domid;
    uint16_t type;
    uint32_t id;
    uint32_t nr_frames;
    uint32_t pad;
    uint64_t frame;
    void *frame_list;
};
typedef struct xen_mem_acquire_resource xen_mem_acquire_resource_t;
XEN_ASSERT(sizeof(struct xen_mem_acquire_resource) == 28);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, domid) == 0);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, type) == 2);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, id) == 4);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, nr_frames) == 8);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, pad) == 12);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, frame) == 16);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, frame_list) == 24);

struct xen_vmemrange {
    uint64_t start;
    uint64_t end;
    uint32_t flags;
    uint32_t nid;
};
typedef struct xen_vmemrange xen_vmemrange_t;
XEN_ASSERT(sizeof(struct xen_vmemrange) == 24);
XEN_ASSERT(offsetof(struct xen_vmemrange, start) == 0);
XEN_ASSERT(offsetof(struct xen_vmemrange, end) == 8);
XEN_ASSERT(offsetof(struct xen_vmemrange, flags) == 16);
XEN_ASSERT(offsetof(struct xen_vmemrange, nid) == 20);

struct xen_vnuma_topology_info {
    uint16_t domid;
    uint16_t pad;
    uint32_t nr_vnodes;
    uint32_t nr_vcpus;
    uint32_t nr_vmemranges;
    union {
        void *h;
        uint64_t pad;
    } vdistance;
    union {
        void *h;
        uint64_t pad;
    } vcpu_to_vnode;
    union {
        void *h;
        uint64_t pad;
    } vmemrange;
};
typedef struct xen_vnuma_topology_info xen_vnuma_topology_info_t;
XEN_ASSERT(sizeof(struct xen_vnuma_topology_info) == 40);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, domid) == 0);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, pad) == 2);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, nr_vnodes) == 4);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, nr_vcpus) == 8);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, nr_vmemranges) == 12);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, vdistance) == 16);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, vcpu_to_vnode) == 24);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, vmemrange) == 32);

struct physdev_eoi {
    uint32_t irq;
};
typedef struct physdev_eoi physdev_eoi_t;
XEN_ASSERT(sizeof(struct physdev_eoi) == 4);
XEN_ASSERT(offsetof(struct physdev_eoi, irq) == 0);

struct physdev_pirq_eoi_gmfn {
    xen_pfn_t gmfn;
};
typedef struct physdev_pirq_eoi_gmfn physdev_pirq_eoi_gmfn_t;
XEN_ASSERT(sizeof(struct physdev_pirq_eoi_gmfn) == 4);
XEN_ASSERT(offsetof(struct physdev_pirq_eoi_gmfn, gmfn) == 0);

struct physdev_irq_status_query {
    uint32_t irq;
    uint32_t flags;
};
typedef struct physdev_irq_status_query physdev_irq_status_query_t;
XEN_ASSERT(sizeof(struct physdev_irq_status_query) == 8);
XEN_ASSERT(offsetof(struct physdev_irq_status_query, irq) == 0);
XEN_ASSERT(offsetof(struct physdev_irq_status_query, flags) == 4);

struct physdev_set_iopl {
    uint32_t iopl;
};
typedef struct physdev_set_iopl physdev_set_iopl_t;
XEN_ASSERT(sizeof(struct physdev_set_iopl) == 4);
XEN_ASSERT(offsetof(struct physdev_set_iopl, iopl) == 0);

struct physdev_set_iobitmap {
    void *bitmap;
    uint32_t nr_ports;
};
typedef struct physdev_set_iobitmap physdev_set_iobitmap_t;
XEN_ASSERT(sizeof(struct physdev_set_iobitmap) == 8);
XEN_ASSERT(offsetof(struct physdev_set_iobitmap, bitmap) == 0);
XEN_ASSERT(offsetof(struct physdev_set_iobitmap, nr_ports) == 4);

struct physdev_apic {
    xen_ulong_t apic_physbase;
    uint32_t reg;
    uint32_t value;
};
typedef struct physdev_apic physdev_apic_t;
XEN_ASSERT(sizeof(struct physdev_apic) == 12);
XEN_ASSERT(offsetof(struct physdev_apic, apic_physbase) == 0);
XEN_ASSERT(offsetof(struct physdev_apic, reg) == 4);
XEN_ASSERT(offsetof(struct physdev_apic, value) == 8);

struct physdev_irq {
    uint32_t irq;
    uint32_t vector;
};
typedef struct physdev_irq physdev_irq_t;
XEN_ASSERT(sizeof(struct physdev_irq) == 8);
XEN_ASSERT(offsetof(struct physdev_irq, irq) == 0);
XEN_ASSERT(offsetof(struct physdev_irq, vector) == 4);

struct physdev_map_pirq {
    uint16_t domid;
    int32_t type;
    int32_t index;
    int32_t pirq;
    int32_t bus;
    int32_t devfn;
    int32_t entry_nr;
    uint64_t table_base;
};
typedef struct physdev_map_pirq physdev_map_pirq_t;
XEN_ASSERT(sizeof(struct physdev_map_pirq) == 36);
XEN_ASSERT(offsetof(struct physdev_map_pirq, domid) == 0);
XEN_ASSERT(offsetof(struct physdev_map_pirq, type) == 4);
XEN_ASSERT(offsetof(struct physdev_map_pirq, index) == 8);
XEN_ASSERT(offsetof(struct physdev_map_pirq, pirq) == 12);
XEN_ASSERT(offsetof(struct physdev_map_pirq, bus) == 16);
XEN_ASSERT(offsetof(struct physdev_map_pirq, devfn) == 20);
XEN_ASSERT(offsetof(struct physdev_map_pirq, entry_nr) == 24);
XEN_ASSERT(offsetof(struct physdev_map_pirq, table_base) == 28);

struct physdev_unmap_pirq {
    uint16_t domid;
    int32_t pirq;
};
typedef struct physdev_unmap_pirq physdev_unmap_pirq_t;
XEN_ASSERT(sizeof(struct physdev_unmap_pirq) == 8);
XEN_ASSERT(offsetof(struct physdev_unmap_pirq, domid) == 0);
XEN_ASSERT(offsetof(struct physdev_unmap_pirq, pirq) == 4);

struct physdev_setup_gsi {
    int32_t gsi;
    uint8_t triggering;
    uint8_t polarity;
};
typedef struct physdev_setup_gsi physdev_setup_gsi_t;
XEN_ASSERT(sizeof(struct physdev_setup_gsi) == 8);
XEN_ASSERT(offsetof(struct physdev_setup_gsi, gsi) == 0);
XEN_ASSERT(offsetof(struct physdev_setup_gsi, triggering) == 4);
XEN_ASSERT(offsetof(struct physdev_setup_gsi, polarity) == 5);

struct physdev_get_free_pirq {
    int32_t type;
    uint32_t pirq;
};
typedef struct physdev_get_free_pirq physdev_get_free_pirq_t;
XEN_ASSERT(sizeof(struct physdev_get_free_pirq) == 8);
XEN_ASSERT(offsetof(struct physdev_get_free_pirq, type) == 0);
XEN_ASSERT(offsetof(struct physdev_get_free_pirq, pirq) == 4);

struct physdev_pci_device {
    uint16_t seg;
    uint8_t bus;
    uint8_t devfn;
};
typedef struct physdev_pci_device physdev_pci_device_t;
XEN_ASSERT(sizeof(struct physdev_pci_device) == 4);
XEN_ASSERT(offsetof(struct physdev_pci_device, seg) == 0);
XEN_ASSERT(offsetof(struct physdev_pci_device, bus) == 2);
XEN_ASSERT(offsetof(struct physdev_pci_device, devfn) == 3);

struct physdev_op {
    uint32_t cmd;
    union {
        struct physdev_irq_status_query irq_status_query;
        struct physdev_set_iopl set_iopl;
        struct physdev_set_iobitmap set_iobitmap;
        struct physdev_apic apic_op;
        struct physdev_irq irq_op;
    } u;
};
typedef struct physdev_op physdev_op_t;
XEN_ASSERT(sizeof(struct physdev_op) == 16);
XEN_ASSERT(offsetof(struct physdev_op, cmd) == 0);
XEN_ASSERT(offsetof(struct physdev_op, u) == 4);

struct sched_shutdown {
    uint32_t reason;
};
typedef struct sched_shutdown sched_shutdown_t;
XEN_ASSERT(sizeof(struct sched_shutdown) == 4);
XEN_ASSERT(offsetof(struct sched_shutdown, reason) == 0);

struct sched_poll {
    void *ports;
    uint32_t nr_ports;
    uint64_t timeout;
};
typedef struct sched_poll sched_poll_t;
XEN_ASSERT(sizeof(struct sched_poll) == 16);
XEN_ASSERT(offsetof(struct sched_poll, ports) == 0);
XEN_ASSERT(offsetof(struct sched_poll, nr_ports) == 4);
XEN_ASSERT(offsetof(struct sched_poll, timeout) == 8);

struct sched_remote_shutdown {
    uint16_t domain_id;
    uint32_t reason;
};
typedef struct sched_remote_shutdown sched_remote_shutdown_t;
XEN_ASSERT(sizeof(struct sched_remote_shutdown) == 8);
XEN_ASSERT(offsetof(struct sched_remote_shutdown, domain_id) == 0);
XEN_ASSERT(offsetof(struct sched_remote_shutdown, reason) == 4);

struct sched_watchdog {
    uint32_t id;
    uint32_t timeout;
};
typedef struct sched_watchdog sched_watchdog_t;
XEN_ASSERT(sizeof(struct sched_watchdog) == 8);
XEN_ASSERT(offsetof(struct sched_watchdog, id) == 0);
XEN_ASSERT(offsetof(struct sched_watchdog, timeout) == 4);

struct sched_pin_override {
    int32_t pcpu;
};
typedef struct sched_pin_override sched_pin_override_t;
XEN_ASSERT(sizeof(struct sched_pin_override) == 4);
XEN_ASSERT(offsetof(struct sched_pin_override, pcpu) == 0);

struct vcpu_runstate_info {
    int32_t state;
    uint64_t state_entry_time;
    uint64_t time[4];
};
typedef struct vcpu_runstate_info vcpu_runstate_info_t;
XEN_ASSERT(sizeof(struct vcpu_runstate_info) == 44);
XEN_ASSERT(offsetof(struct vcpu_runstate_info, state) == 0);
XEN_ASSERT(offsetof(struct vcpu_runstate_info, state_entry_time) == 4);
XEN_ASSERT(offsetof(struct vcpu_runstate_info, time) == 12);

struct vcpu_register_runstate_memory_area {
    union {
        void *h;
        void *v;
        uint64_t p;
    } addr;
};
typedef struct vcpu_register_runstate_memory_area vcpu_register_runstate_memory_area_t;
XEN_ASSERT(sizeof(struct vcpu_register_runstate_memory_area) == 8);
XEN_ASSERT(offsetof(struct vcpu_register_runstate_memory_area, addr) == 0);

struct vcpu_set_periodic_timer {
    uint64_t period_ns;
};
typedef struct vcpu_set_periodic_timer vcpu_set_periodic_timer_t;
XEN_ASSERT(sizeof(struct vcpu_set_periodic_timer) == 8);
XEN_ASSERT(offsetof(struct vcpu_set_periodic_timer, period_ns) == 0);

struct vcpu_set_singleshot_timer {
    uint64_t timeout_abs_ns;
    uint32_t flags;
};
typedef struct vcpu_set_singleshot_timer vcpu_set_singleshot_timer_t;
XEN_ASSERT(sizeof(struct vcpu_set_singleshot_timer) == 12);
XEN_ASSERT(offsetof(struct vcpu_set_singleshot_timer, timeout_abs_ns) == 0);
XEN_ASSERT(offsetof(struct vcpu_set_singleshot_timer, flags) == 8);

struct vcpu_register_vcpu_info {
    uint64_t mfn;
    uint32_t offset;
    uint32_t rsvd;
};
typedef struct vcpu_register_vcpu_info vcpu_register_vcpu_info_t;
XEN_ASSERT(sizeof(struct vcpu_register_vcpu_info) == 16);
XEN_ASSERT(offsetof(struct vcpu_register_vcpu_info, mfn) == 0);
XEN_ASSERT(offsetof(struct vcpu_register_vcpu_info, offset) == 8);
XEN_ASSERT(offsetof(struct vcpu_register_vcpu_info, rsvd) == 12);

struct vcpu_get_physid {
    uint64_t phys_id;
};
typedef struct vcpu_get_physid vcpu_get_physid_t;
XEN_ASSERT(sizeof(struct vcpu_get_physid) == 8);
XEN_ASSERT(offsetof(struct vcpu_get_physid, phys_id) == 0);

struct vcpu_register_time_memory_area {
    union {
        void *h;
        void *v;
        uint64_t p;
    } addr;
};
typedef struct vcpu_register_time_memory_area vcpu_register_time_memory_area_t;
XEN_ASSERT(sizeof(struct vcpu_register_time_memory_area) == 8);
XEN_ASSERT(offsetof(struct vcpu_register_time_memory_area, addr) == 0);

struct xen_compile_info {
    char compiler[64];
    char compile_by[16];
    char compile_domain[32];
    char compile_date[32];
};
typedef struct xen_compile_info xen_compile_info_t;
XEN_ASSERT(sizeof(struct xen_compile_info) == 144);
XEN_ASSERT(offsetof(struct xen_compile_info, compiler) == 0);
XEN_ASSERT(offsetof(struct xen_compile_info, compile_by) == 64);
XEN_ASSERT(offsetof(struct xen_compile_info, compile_domain) == 80);
XEN_ASSERT(offsetof(struct xen_compile_info, compile_date) == 112);

struct xen_platform_parameters {
    xen_ulong_t virt_start;
};
typedef struct xen_platform_parameters xen_platform_parameters_t;
XEN_ASSERT(sizeof(struct xen_platform_parameters) == 4);
XEN_ASSERT(offsetof(struct xen_platform_parameters, virt_start) == 0);

struct xen_feature_info {
    uint32_t submap_idx;
    uint32_t submap;
};
typedef struct xen_feature_info xen_feature_info_t;
XEN_ASSERT(sizeof(struct xen_feature_info) == 8);
XEN_ASSERT(offsetof(struct xen_feature_info, submap_idx) == 0);
XEN_ASSERT(offsetof(struct xen_feature_info, submap) == 4);

struct xen_build_id {
    uint32_t len;
    uint8_t buf[];
};
typedef struct xen_build_id xen_build_id_t;
XEN_ASSERT(sizeof(struct xen_build_id) == 4);
XEN_ASSERT(offsetof(struct xen_build_id, len) == 0);
XEN_ASSERT(offsetof(struct xen_build_id, buf) == 4);

struct mmuext_op {
    uint32_t cmd;
    union {
        xen_pfn_t mfn;
        xen_ulong_t linear_addr;
    } arg1;
    union {
        uint32_t nr_ents;
        void *vcpumask;
        xen_pfn_t src_mfn;
    } arg2;
};
typedef struct mmuext_op mmuext_op_t;
XEN_ASSERT(sizeof(struct mmuext_op) == 12);
XEN_ASSERT(offsetof(struct mmuext_op, cmd) == 0);
XEN_ASSERT(offsetof(struct mmuext_op, arg1) == 4);
XEN_ASSERT(offsetof(struct mmuext_op, arg2) == 8);

struct mmu_update {
    uint64_t ptr;
    uint64_t val;
};
typedef struct mmu_update mmu_update_t;
XEN_ASSERT(sizeof(struct mmu_update) == 16);
XEN_ASSERT(offsetof(struct mmu_update, ptr) == 0);
XEN_ASSERT(offsetof(struct mmu_update, val) == 8);

struct multicall_entry {
    xen_ulong_t op;
    xen_ulong_t result;
    xen_ulong_t args[6];
};
typedef struct multicall_entry multicall_entry_t;
XEN_ASSERT(sizeof(struct multicall_entry) == 32);
XEN_ASSERT(offsetof(struct multicall_entry, op) == 0);
XEN_ASSERT(offsetof(struct multicall_entry, result) == 4);
XEN_ASSERT(offsetof(struct multicall_entry, args) == 8);

struct vcpu_time_info {
    uint32_t version;
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad1[2];
};
typedef struct vcpu_time_info vcpu_time_info_t;
XEN_ASSERT(sizeof(struct vcpu_time_info) == 32);
XEN_ASSERT(offsetof(struct vcpu_time_info, version) == 0);
XEN_ASSERT(offsetof(struct vcpu_time_info, pad0) == 4);
XEN_ASSERT(offsetof(struct vcpu_time_info, tsc_timestamp) == 8);
XEN_ASSERT(offsetof(struct vcpu_time_info, system_time) == 16);
XEN_ASSERT(offsetof(struct vcpu_time_info, tsc_to_system_mul) == 24);
XEN_ASSERT(offsetof(struct vcpu_time_info, tsc_shift) == 28);
XEN_ASSERT(offsetof(struct vcpu_time_info, flags) == 29);
XEN_ASSERT(offsetof(struct vcpu_time_info, pad1) == 30);

struct vcpu_info {
    uint8_t evtchn_upcall_pending;
    uint8_t evtchn_upcall_mask;
    xen_ulong_t evtchn_pending_sel;
    struct arch_vcpu_info arch;
    struct vcpu_time_info time;
};
typedef struct vcpu_info vcpu_info_t;
XEN_ASSERT(sizeof(struct vcpu_info) == 64);
XEN_ASSERT(offsetof(struct vcpu_info, evtchn_upcall_pending) == 0);
XEN_ASSERT(offsetof(struct vcpu_info, evtchn_upcall_mask) == 1);
XEN_ASSERT(offsetof(struct vcpu_info, evtchn_pending_sel) == 4);
XEN_ASSERT(offsetof(struct vcpu_info, arch) == 8);
XEN_ASSERT(offsetof(struct vcpu_info, time) == 32);

struct shared_info {
    struct vcpu_info vcpu_info[32];
    xen_ulong_t evtchn_pending[32];
    xen_ulong_t evtchn_mask[32];
    uint32_t wc_version;
    uint32_t wc_sec;
    uint32_t wc_nsec;
    struct arch_shared_info arch;
};
typedef struct shared_info shared_info_t;
XEN_ASSERT(sizeof(struct shared_info) == 2344);
XEN_ASSERT(offsetof(struct shared_info, vcpu_info) == 0);
XEN_ASSERT(offsetof(struct shared_info, evtchn_pending) == 2048);
XEN_ASSERT(offsetof(struct shared_info, evtchn_mask) == 2176);
XEN_ASSERT(offsetof(struct shared_info, wc_version) == 2304);
XEN_ASSERT(offsetof(struct shared_info, wc_sec) == 2308);
XEN_ASSERT(offsetof(struct shared_info, wc_nsec) == 2312);
XEN_ASSERT(offsetof(struct shared_info, arch) == 2316);

struct start_info {
    char magic[32];
    xen_ulong_t nr_pages;
    xen_ulong_t shared_info;
    uint32_t flags;
    xen_pfn_t store_mfn;
    uint32_t store_evtchn;
    union {
        struct {
            xen_pfn_t mfn;
            uint32_t evtchn;
        } domU;
        struct {
            uint32_t info_off;
            uint32_t info_size;
        } dom0;
    } console;
    xen_ulong_t pt_base;
    xen_ulong_t nr_pt_frames;
    xen_ulong_t mfn_list;
    xen_ulong_t mod_start;
    xen_ulong_t mod_len;
    char cmd_line[1024];
    xen_ulong_t first_p2m_pfn;
    xen_ulong_t nr_p2m_frames;
};
typedef struct start_info start_info_t;
XEN_ASSERT(sizeof(struct start_info) == 1112);
XEN_ASSERT(offsetof(struct start_info, magic) == 0);
XEN_ASSERT(offsetof(struct start_info, nr_pages) == 32);
XEN_ASSERT(offsetof(struct start_info, shared_info) == 36);
XEN_ASSERT(offsetof(struct start_info, flags) == 40);
XEN_ASSERT(offsetof(struct start_info, store_mfn) == 44);
XEN_ASSERT(offsetof(struct start_info, store_evtchn) == 48);
XEN_ASSERT(offsetof(struct start_info, console) == 52);
XEN_ASSERT(offsetof(struct start_info, pt_base) == 60);
XEN_ASSERT(offsetof(struct start_info, nr_pt_frames) == 64);
XEN_ASSERT(offsetof(struct start_info, mfn_list) == 68);
XEN_ASSERT(offsetof(struct start_info, mod_start) == 72);
XEN_ASSERT(offsetof(struct start_info, mod_len) == 76);
XEN_ASSERT(offsetof(struct start_info, cmd_line) == 80);
XEN_ASSERT(offsetof(struct start_info, first_p2m_pfn) == 1104);
XEN_ASSERT(offsetof(struct start_info, nr_p2m_frames) == 1108);

struct xen_multiboot_mod_list {
    uint32_t mod_start;
    uint32_t mod_end;
    uint32_t cmdline;
    uint32_t pad;
};
typedef struct xen_multiboot_mod_list xen_multiboot_mod_list_t;
XEN_ASSERT(sizeof(struct xen_multiboot_mod_list) == 16);
XEN_ASSERT(offsetof(struct xen_multiboot_mod_list, mod_start) == 0);
XEN_ASSERT(offsetof(struct xen_multiboot_mod_list, mod_end) == 4);
XEN_ASSERT(offsetof(struct xen_multiboot_mod_list, cmdline) == 8);
XEN_ASSERT(offsetof(struct xen_multiboot_mod_list, pad) == 12);
#else
struct trap_info {
    uint8_t vector;
    uint8_t flags;
    uint16_t cs;
    xen_ulong_t address;
};
typedef struct trap_info trap_info_t;
XEN_ASSERT(sizeof(struct trap_info) == 16);
XEN_ASSERT(offsetof(struct trap_info, vector) == 0);
XEN_ASSERT(offsetof(struct trap_info, flags) == 1);
XEN_ASSERT(offsetof(struct trap_info, cs) == 2);
XEN_ASSERT(offsetof(struct trap_info, address) == 8);

struct cpu_user_regs {
    uint64_t r15;
    uint64_t r14;
    uint64_t r13;
    uint64_t r12;
    uint64_t rbp;
    uint64_t rbx;
    uint64_t r11;
    uint64_t r10;
    uint64_t r9;
    uint64_t r8;
    uint64_t rax;
    uint64_t rcx;
    uint64_t rdx;
    uint64_t rsi;
    uint64_t rdi;
    uint32_t error_code;
    uint32_t entry_vector;
    uint64_t rip;
    uint16_t cs;
    uint16_t _pad0[1];
    uint8_t saved_upcall_mask;
    uint8_t _pad1[3];
    uint64_t rflags;
    uint64_t rsp;
    uint16_t ss;
    uint16_t _pad2[3];
    uint16_t es;
    uint16_t _pad3[3];
    uint16_t ds;
    uint16_t _pad4[3];
    uint16_t fs;
    uint16_t _pad5[3];
    uint16_t gs;
    uint16_t _pad6[3];
};
typedef struct cpu_user_regs cpu_user_regs_t;
XEN_ASSERT(sizeof(struct cpu_user_regs) == 200);
XEN_ASSERT(offsetof(struct cpu_user_regs, r15) == 0);
XEN_ASSERT(offsetof(struct cpu_user_regs, r14) == 8);
XEN_ASSERT(offsetof(struct cpu_user_regs, r13) == 16);
XEN_ASSERT(offsetof(struct cpu_user_regs, r12) == 24);
XEN_ASSERT(offsetof(struct cpu_user_regs, rbp) == 32);
XEN_ASSERT(offsetof(struct cpu_user_regs, rbx) == 40);
XEN_ASSERT(offsetof(struct cpu_user_regs, r11) == 48);
XEN_ASSERT(offsetof(struct cpu_user_regs, r10) == 56);
XEN_ASSERT(offsetof(struct cpu_user_regs, r9) == 64);
XEN_ASSERT(offsetof(struct cpu_user_regs, r8) == 72);
XEN_ASSERT(offsetof(struct cpu_user_regs, rax) == 80);
XEN_ASSERT(offsetof(struct cpu_user_regs, rcx) == 88);
XEN_ASSERT(offsetof(struct cpu_user_regs, rdx) == 96);
XEN_ASSERT(offsetof(struct cpu_user_regs, rsi) == 104);
XEN_ASSERT(offsetof(struct cpu_user_regs, rdi) == 112);
XEN_ASSERT(offsetof(struct cpu_user_regs, error_code) == 120);
XEN_ASSERT(offsetof(struct cpu_user_regs, entry_vector) == 124);
XEN_ASSERT(offsetof(struct cpu_user_regs, rip) == 128);
XEN_ASSERT(offsetof(struct cpu_user_regs, cs) == 136);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad0) == 138);
XEN_ASSERT(offsetof(struct cpu_user_regs, saved_upcall_mask) == 140);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad1) == 141);
XEN_ASSERT(offsetof(struct cpu_user_regs, rflags) == 144);
XEN_ASSERT(offsetof(struct cpu_user_regs, rsp) == 152);
XEN_ASSERT(offsetof(struct cpu_user_regs, ss) == 160);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad2) == 162);
XEN_ASSERT(offsetof(struct cpu_user_regs, es) == 168);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad3) == 170);
XEN_ASSERT(offsetof(struct cpu_user_regs, ds) == 176);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad4) == 178);
XEN_ASSERT(offsetof(struct cpu_user_regs, fs) == 184);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad5) == 186);
XEN_ASSERT(offsetof(struct cpu_user_regs, gs) == 192);
XEN_ASSERT(offsetof(struct cpu_user_regs, _pad6) == 194);

struct vcpu_guest_context {
    struct {
        char x[512];
    } fpu_ctxt;
    xen_ulong_t flags;
    struct cpu_user_regs user_regs;
    struct trap_info trap_ctxt[256];
    xen_ulong_t ldt_base;
    xen_ulong_t ldt_ents;
    xen_ulong_t gdt_frames[16];
    xen_ulong_t gdt_ents;
    xen_ulong_t kernel_ss;
    xen_ulong_t kernel_sp;
    xen_ulong_t ctrlreg[8];
    xen_ulong_t debugreg[8];
    xen_ulong_t event_callback_eip;
    xen_ulong_t failsafe_callback_eip;
    xen_ulong_t syscall_callback_eip;
    xen_ulong_t vm_assist;
    uint64_t fs_base;
    uint64_t gs_base_kernel;
    uint64_t gs_base_user;
};
typedef struct vcpu_guest_context vcpu_guest_context_t;
XEN_ASSERT(sizeof(struct vcpu_guest_context) == 5168);
XEN_ASSERT(offsetof(struct vcpu_guest_context, fpu_ctxt) == 0);
XEN_ASSERT(offsetof(struct vcpu_guest_context, flags) == 512);
XEN_ASSERT(offsetof(struct vcpu_guest_context, user_regs) == 520);
XEN_ASSERT(offsetof(struct vcpu_guest_context, trap_ctxt) == 720);
XEN_ASSERT(offsetof(struct vcpu_guest_context, ldt_base) == 4816);
XEN_ASSERT(offsetof(struct vcpu_guest_context, ldt_ents) == 4824);
XEN_ASSERT(offsetof(struct vcpu_guest_context, gdt_frames) == 4832);
XEN_ASSERT(offsetof(struct vcpu_guest_context, gdt_ents) == 4960);
XEN_ASSERT(offsetof(struct vcpu_guest_context, kernel_ss) == 4968);
XEN_ASSERT(offsetof(struct vcpu_guest_context, kernel_sp) == 4976);
XEN_ASSERT(offsetof(struct vcpu_guest_context, ctrlreg) == 4984);
XEN_ASSERT(offsetof(struct vcpu_guest_context, debugreg) == 5048);
XEN_ASSERT(offsetof(struct vcpu_guest_context, event_callback_eip) == 5112);
XEN_ASSERT(offsetof(struct vcpu_guest_context, failsafe_callback_eip) == 5120);
XEN_ASSERT(offsetof(struct vcpu_guest_context, syscall_callback_eip) == 5128);
XEN_ASSERT(offsetof(struct vcpu_guest_context, vm_assist) == 5136);
XEN_ASSERT(offsetof(struct vcpu_guest_context, fs_base) == 5144);
XEN_ASSERT(offsetof(struct vcpu_guest_context, gs_base_kernel) == 5152);
XEN_ASSERT(offsetof(struct vcpu_guest_context, gs_base_user) == 5160);

struct arch_shared_info {
    xen_ulong_t max_pfn;
    xen_pfn_t pfn_to_mfn_frame_list_list;
    xen_ulong_t nmi_reason;
    xen_ulong_t p2m_cr3;
    xen_ulong_t p2m_vaddr;
    xen_ulong_t p2m_generation;
};
typedef struct arch_shared_info arch_shared_info_t;
XEN_ASSERT(sizeof(struct arch_shared_info) == 48);
XEN_ASSERT(offsetof(struct arch_shared_info, max_pfn) == 0);
XEN_ASSERT(offsetof(struct arch_shared_info, pfn_to_mfn_frame_list_list) == 8);
XEN_ASSERT(offsetof(struct arch_shared_info, nmi_reason) == 16);
XEN_ASSERT(offsetof(struct arch_shared_info, p2m_cr3) == 24);
XEN_ASSERT(offsetof(struct arch_shared_info, p2m_vaddr) == 32);
XEN_ASSERT(offsetof(struct arch_shared_info, p2m_generation) == 40);

struct arch_vcpu_info {
    xen_ulong_t cr2;
    xen_ulong_t pad;
};
typedef struct arch_vcpu_info arch_vcpu_info_t;
XEN_ASSERT(sizeof(struct arch_vcpu_info) == 16);
XEN_ASSERT(offsetof(struct arch_vcpu_info, cr2) == 0);
XEN_ASSERT(offsetof(struct arch_vcpu_info, pad) == 8);

struct iret_context {
    uint64_t rax;
    uint64_t r11;
    uint64_t rcx;
    uint64_t flags;
    uint64_t rip;
    uint64_t cs;
    uint64_t rflags;
    uint64_t rsp;
    uint64_t ss;
};
typedef struct iret_context iret_context_t;
XEN_ASSERT(sizeof(struct iret_context) == 72);
XEN_ASSERT(offsetof(struct iret_context, rax) == 0);
XEN_ASSERT(offsetof(struct iret_context, r11) == 8);
XEN_ASSERT(offsetof(struct iret_context, rcx) == 16);
XEN_ASSERT(offsetof(struct iret_context, flags) == 24);
XEN_ASSERT(offsetof(struct iret_context, rip) == 32);
XEN_ASSERT(offsetof(struct iret_context, cs) == 40);
XEN_ASSERT(offsetof(struct iret_context, rflags) == 48);
XEN_ASSERT(offsetof(struct iret_context, rsp) == 56);
XEN_ASSERT(offsetof(struct iret_context, ss) == 64);

struct xen_cpuid_leaf {
    uint32_t leaf;
    uint32_t subleaf;
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
};
typedef struct xen_cpuid_leaf xen_cpuid_leaf_t;
XEN_ASSERT(sizeof(struct xen_cpuid_leaf) == 24);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, leaf) == 0);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, subleaf) == 4);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, a) == 8);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, b) == 12);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, c) == 16);
XEN_ASSERT(offsetof(struct xen_cpuid_leaf, d) == 20);

struct xen_msr_entry {
    uint32_t idx;
    uint32_t flags;
    uint64_t val;
};
typedef struct xen_msr_entry xen_msr_entry_t;
XEN_ASSERT(sizeof(struct xen_msr_entry) == 16);
XEN_ASSERT(offsetof(struct xen_msr_entry, idx) == 0);
XEN_ASSERT(offsetof(struct xen_msr_entry, flags) == 4);
XEN_ASSERT(offsetof(struct xen_msr_entry, val) == 8);

struct callback_register {
    uint16_t type;
    uint16_t flags;
    xen_ulong_t address;
};
typedef struct callback_register callback_register_t;
XEN_ASSERT(sizeof(struct callback_register) == 16);
XEN_ASSERT(offsetof(struct callback_register, type) == 0);
XEN_ASSERT(offsetof(struct callback_register, flags) == 2);
XEN_ASSERT(offsetof(struct callback_register, address) == 8);

struct callback_unregister {
    uint16_t type;
    uint16_t _unused;
};
typedef struct callback_unregister callback_unregister_t;
XEN_ASSERT(sizeof(struct callback_unregister) == 4);
XEN_ASSERT(offsetof(struct callback_unregister, type) == 0);
XEN_ASSERT(offsetof(struct callback_unregister, _unused) == 2);

struct xennmi_callback {
    xen_ulong_t handler_address;
    xen_ulong_t pad;
};
typedef struct xennmi_callback xennmi_callback_t;
XEN_ASSERT(sizeof(struct xennmi_callback) == 16);
XEN_ASSERT(offsetof(struct xennmi_callback, handler_address) == 0);
XEN_ASSERT(offsetof(struct xennmi_callback, pad) == 8);

struct evtchn_alloc_unbound {
    uint16_t dom;
    uint16_t remote_dom;
    uint32_t port;
};
typedef struct evtchn_alloc_unbound evtchn_alloc_unbound_t;
XEN_ASSERT(sizeof(struct evtchn_alloc_unbound) == 8);
XEN_ASSERT(offsetof(struct evtchn_alloc_unbound, dom) == 0);
XEN_ASSERT(offsetof(struct evtchn_alloc_unbound, remote_dom) == 2);
XEN_ASSERT(offsetof(struct evtchn_alloc_unbound, port) == 4);

struct evtchn_bind_interdomain {
    uint16_t remote_dom;
    uint32_t remote_port;
    uint32_t local_port;
};
typedef struct evtchn_bind_interdomain evtchn_bind_interdomain_t;
XEN_ASSERT(sizeof(struct evtchn_bind_interdomain) == 12);
XEN_ASSERT(offsetof(struct evtchn_bind_interdomain, remote_dom) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_interdomain, remote_port) == 4);
XEN_ASSERT(offsetof(struct evtchn_bind_interdomain, local_port) == 8);

struct evtchn_bind_virq {
    uint32_t virq;
    uint32_t vcpu;
    uint32_t port;
};
typedef struct evtchn_bind_virq evtchn_bind_virq_t;
XEN_ASSERT(sizeof(struct evtchn_bind_virq) == 12);
XEN_ASSERT(offsetof(struct evtchn_bind_virq, virq) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_virq, vcpu) == 4);
XEN_ASSERT(offsetof(struct evtchn_bind_virq, port) == 8);

struct evtchn_bind_pirq {
    uint32_t pirq;
    uint32_t flags;
    uint32_t port;
};
typedef struct evtchn_bind_pirq evtchn_bind_pirq_t;
XEN_ASSERT(sizeof(struct evtchn_bind_pirq) == 12);
XEN_ASSERT(offsetof(struct evtchn_bind_pirq, pirq) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_pirq, flags) == 4);
XEN_ASSERT(offsetof(struct evtchn_bind_pirq, port) == 8);

struct evtchn_bind_ipi {
    uint32_t vcpu;
    uint32_t port;
};
typedef struct evtchn_bind_ipi evtchn_bind_ipi_t;
XEN_ASSERT(sizeof(struct evtchn_bind_ipi) == 8);
XEN_ASSERT(offsetof(struct evtchn_bind_ipi, vcpu) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_ipi, port) == 4);

struct evtchn_close {
    uint32_t port;
};
typedef struct evtchn_close evtchn_close_t;
XEN_ASSERT(sizeof(struct evtchn_close) == 4);
XEN_ASSERT(offsetof(struct evtchn_close, port) == 0);

struct evtchn_send {
    uint32_t port;
};
typedef struct evtchn_send evtchn_send_t;
XEN_ASSERT(sizeof(struct evtchn_send) == 4);
XEN_ASSERT(offsetof(struct evtchn_send, port) == 0);

struct evtchn_status {
    uint16_t dom;
    uint32_t port;
    uint32_t status;
    uint32_t vcpu;
    union {
        struct {
            uint16_t dom;
        } unbound;
        struct {
            uint16_t dom;
            uint32_t port;
        } interdomain;
        uint32_t pirq;
        uint32_t virq;
    } u;
};
typedef struct evtchn_status evtchn_status_t;
XEN_ASSERT(sizeof(struct evtchn_status) == 24);
XEN_ASSERT(offsetof(struct evtchn_status, dom) == 0);
XEN_ASSERT(offsetof(struct evtchn_status, port) == 4);
XEN_ASSERT(offsetof(struct evtchn_status, status) == 8);
XEN_ASSERT(offsetof(struct evtchn_status, vcpu) == 12);
XEN_ASSERT(offsetof(struct evtchn_status, u) == 16);

struct evtchn_bind_vcpu {
    uint32_t port;
    uint32_t vcpu;
};
typedef struct evtchn_bind_vcpu evtchn_bind_vcpu_t;
XEN_ASSERT(sizeof(struct evtchn_bind_vcpu) == 8);
XEN_ASSERT(offsetof(struct evtchn_bind_vcpu, port) == 0);
XEN_ASSERT(offsetof(struct evtchn_bind_vcpu, vcpu) == 4);

struct evtchn_unmask {
    uint32_t port;
};
typedef struct evtchn_unmask evtchn_unmask_t;
XEN_ASSERT(sizeof(struct evtchn_unmask) == 4);
XEN_ASSERT(offsetof(struct evtchn_unmask, port) == 0);

struct evtchn_reset {
    uint16_t dom;
};
typedef struct evtchn_reset evtchn_reset_t;
XEN_ASSERT(sizeof(struct evtchn_reset) == 2);
XEN_ASSERT(offsetof(struct evtchn_reset, dom) == 0);

struct evtchn_init_control {
    uint64_t control_gfn;
    uint32_t offset;
    uint32_t vcpu;
    uint8_t link_bits;
    uint8_t _pad[7];
};
typedef struct evtchn_init_control evtchn_init_control_t;
XEN_ASSERT(sizeof(struct evtchn_init_control) == 24);
XEN_ASSERT(offsetof(struct evtchn_init_control, control_gfn) == 0);
XEN_ASSERT(offsetof(struct evtchn_init_control, offset) == 8);
XEN_ASSERT(offsetof(struct evtchn_init_control, vcpu) == 12);
XEN_ASSERT(offsetof(struct evtchn_init_control, link_bits) == 16);
XEN_ASSERT(offsetof(struct evtchn_init_control, _pad) == 17);

struct evtchn_expand_array {
    uint64_t array_gfn;
};
typedef struct evtchn_expand_array evtchn_expand_array_t;
XEN_ASSERT(sizeof(struct evtchn_expand_array) == 8);
XEN_ASSERT(offsetof(struct evtchn_expand_array, array_gfn) == 0);

struct evtchn_set_priority {
    uint32_t port;
    uint32_t priority;
};
typedef struct evtchn_set_priority evtchn_set_priority_t;
XEN_ASSERT(sizeof(struct evtchn_set_priority) == 8);
XEN_ASSERT(offsetof(struct evtchn_set_priority, port) == 0);
XEN_ASSERT(offsetof(struct evtchn_set_priority, priority) == 4);

struct evtchn_op {
    uint32_t cmd;
    union {
        struct evtchn_alloc_unbound alloc_unbound;
        struct evtchn_bind_interdomain bind_interdomain;
        struct evtchn_bind_virq bind_virq;
        struct evtchn_bind_pirq bind_pirq;
        struct evtchn_bind_ipi bind_ipi;
        struct evtchn_close close;
        struct evtchn_send send;
        struct evtchn_status status;
        struct evtchn_bind_vcpu bind_vcpu;
        struct evtchn_unmask unmask;
    } u;
};
typedef struct evtchn_op evtchn_op_t;
XEN_ASSERT(sizeof(struct evtchn_op) == 28);
XEN_ASSERT(offsetof(struct evtchn_op, cmd) == 0);
XEN_ASSERT(offsetof(struct evtchn_op, u) == 4);

struct evtchn_fifo_control_block {
    uint32_t ready;
    uint32_t _rsvd;
    uint32_t head[16];
};
typedef struct evtchn_fifo_control_block evtchn_fifo_control_block_t;
XEN_ASSERT(sizeof(struct evtchn_fifo_control_block) == 72);
XEN_ASSERT(offsetof(struct evtchn_fifo_control_block, ready) == 0);
XEN_ASSERT(offsetof(struct evtchn_fifo_control_block, _rsvd) == 4);
XEN_ASSERT(offsetof(struct evtchn_fifo_control_block, head) == 8);

struct grant_entry_v1 {
    uint16_t flags;
    uint16_t domid;
    uint32_t frame;
};
typedef struct grant_entry_v1 grant_entry_v1_t;
XEN_ASSERT(sizeof(struct grant_entry_v1) == 8);
XEN_ASSERT(offsetof(struct grant_entry_v1, flags) == 0);
XEN_ASSERT(offsetof(struct grant_entry_v1, domid) == 2);
XEN_ASSERT(offsetof(struct grant_entry_v1, frame) == 4);

struct grant_entry_header {
    uint16_t flags;
    uint16_t domid;
};
typedef struct grant_entry_header grant_entry_header_t;
XEN_ASSERT(sizeof(struct grant_entry_header) == 4);
XEN_ASSERT(offsetof(struct grant_entry_header, flags) == 0);
XEN_ASSERT(offsetof(struct grant_entry_header, domid) == 2);

union grant_entry_v2 {
    struct grant_entry_header hdr;
    struct {
        struct grant_entry_header hdr;
        uint32_t pad0;
        uint64_t frame;
    } full_page;
    struct {
        struct grant_entry_header hdr;
        uint16_t page_off;
        uint16_t length;
        uint64_t frame;
    } sub_page;
    struct {
        struct grant_entry_header hdr;
        uint16_t trans_domid;
        uint16_t pad0;
        uint32_t gref;
    } transitive;
    uint32_t __spacer[4];
};
typedef union grant_entry_v2 grant_entry_v2_t;
XEN_ASSERT(sizeof(union grant_entry_v2) == 16);
XEN_ASSERT(offsetof(union grant_entry_v2, hdr) == 0);
XEN_ASSERT(offsetof(union grant_entry_v2, full_page) == 0);
XEN_ASSERT(offsetof(union grant_entry_v2, sub_page) == 0);
XEN_ASSERT(offsetof(union grant_entry_v2, transitive) == 0);
XEN_ASSERT(offsetof(union grant_entry_v2, __spacer) == 0);

struct gnttab_map_grant_ref {
    uint64_t host_addr;
    uint32_t flags;
    uint32_t ref;
    uint16_t dom;
    int16_t status;
    uint32_t handle;
    uint64_t dev_bus_addr;
};
typedef struct gnttab_map_grant_ref gnttab_map_grant_ref_t;
XEN_ASSERT(sizeof(struct gnttab_map_grant_ref) == 32);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, host_addr) == 0);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, flags) == 8);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, ref) == 12);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, dom) == 16);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, status) == 18);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, handle) == 20);
XEN_ASSERT(offsetof(struct gnttab_map_grant_ref, dev_bus_addr) == 24);

struct gnttab_unmap_grant_ref {
    uint64_t host_addr;
    uint64_t dev_bus_addr;
    uint32_t handle;
    int16_t status;
};
typedef struct gnttab_unmap_grant_ref gnttab_unmap_grant_ref_t;
XEN_ASSERT(sizeof(struct gnttab_unmap_grant_ref) == 24);
XEN_ASSERT(offsetof(struct gnttab_unmap_grant_ref, host_addr) == 0);
XEN_ASSERT(offsetof(struct gnttab_unmap_grant_ref, dev_bus_addr) == 8);
XEN_ASSERT(offsetof(struct gnttab_unmap_grant_ref, handle) == 16);
XEN_ASSERT(offsetof(struct gnttab_unmap_grant_ref, status) == 20);

struct gnttab_setup_table {
    uint16_t dom;
    uint32_t nr_frames;
    int16_t status;
    void *frame_list;
};
typedef struct gnttab_setup_table gnttab_setup_table_t;
XEN_ASSERT(sizeof(struct gnttab_setup_table) == 24);
XEN_ASSERT(offsetof(struct gnttab_setup_table, dom) == 0);
XEN_ASSERT(offsetof(struct gnttab_setup_table, nr_frames) == 4);
XEN_ASSERT(offsetof(struct gnttab_setup_table, status) == 8);
XEN_ASSERT(offsetof(struct gnttab_setup_table, frame_list) == 16);

struct gnttab_dump_table {
    uint16_t dom;
    int16_t status;
};
typedef struct gnttab_dump_table gnttab_dump_table_t;
XEN_ASSERT(sizeof(struct gnttab_dump_table) == 4);
XEN_ASSERT(offsetof(struct gnttab_dump_table, dom) == 0);
XEN_ASSERT(offsetof(struct gnttab_dump_table, status) == 2);

struct gnttab_transfer {
    xen_pfn_t mfn;
    uint16_t domid;
    uint32_t ref;
    int16_t status;
};
typedef struct gnttab_transfer gnttab_transfer_t;
XEN_ASSERT(sizeof(struct gnttab_transfer) == 24);
XEN_ASSERT(offsetof(struct gnttab_transfer, mfn) == 0);
XEN_ASSERT(offsetof(struct gnttab_transfer, domid) == 8);
XEN_ASSERT(offsetof(struct gnttab_transfer, ref) == 12);
XEN_ASSERT(offsetof(struct gnttab_transfer, status) == 16);

struct gnttab_copy_ptr {
    union {
        uint32_t ref;
        xen_pfn_t gmfn;
    } u;
    uint16_t domid;
    uint16_t offset;
};
typedef struct gnttab_copy_ptr gnttab_copy_ptr_t;
XEN_ASSERT(sizeof(struct gnttab_copy_ptr) == 16);
XEN_ASSERT(offsetof(struct gnttab_copy_ptr, u) == 0);
XEN_ASSERT(offsetof(struct gnttab_copy_ptr, domid) == 8);
XEN_ASSERT(offsetof(struct gnttab_copy_ptr, offset) == 10);

struct gnttab_copy {
    struct gnttab_copy_ptr source;
    struct gnttab_copy_ptr dest;
    uint16_t len;
    uint16_t flags;
    int16_t status;
};
typedef struct gnttab_copy gnttab_copy_t;
XEN_ASSERT(sizeof(struct gnttab_copy) == 40);
XEN_ASSERT(offsetof(struct gnttab_copy, source) == 0);
XEN_ASSERT(offsetof(struct gnttab_copy, dest) == 16);
XEN_ASSERT(offsetof(struct gnttab_copy, len) == 32);
XEN_ASSERT(offsetof(struct gnttab_copy, flags) == 34);
XEN_ASSERT(offsetof(struct gnttab_copy, status) == 36);

struct gnttab_query_size {
    uint16_t dom;
    uint32_t nr_frames;
    uint32_t max_nr_frames;
    int16_t status;
};
typedef struct gnttab_query_size gnttab_query_size_t;
XEN_ASSERT(sizeof(struct gnttab_query_size) == 16);
XEN_ASSERT(offsetof(struct gnttab_query_size, dom) == 0);
XEN_ASSERT(offsetof(struct gnttab_query_size, nr_frames) == 4);
XEN_ASSERT(offsetof(struct gnttab_query_size, max_nr_frames) == 8);
XEN_ASSERT(offsetof(struct gnttab_query_size, status) == 12);

struct gnttab_unmap_and_replace {
    uint64_t host_addr;
    uint64_t new_addr;
    uint32_t handle;
    int16_t status;
};
typedef struct gnttab_unmap_and_replace gnttab_unmap_and_replace_t;
XEN_ASSERT(sizeof(struct gnttab_unmap_and_replace) == 24);
XEN_ASSERT(offsetof(struct gnttab_unmap_and_replace, host_addr) == 0);
XEN_ASSERT(offsetof(struct gnttab_unmap_and_replace, new_addr) == 8);
XEN_ASSERT(offsetof(struct gnttab_unmap_and_replace, handle) == 16);
XEN_ASSERT(offsetof(struct gnttab_unmap_and_replace, status) == 20);

struct gnttab_set_version {
    uint32_t version;
};
typedef struct gnttab_set_version gnttab_set_version_t;
XEN_ASSERT(sizeof(struct gnttab_set_version) == 4);
XEN_ASSERT(offsetof(struct gnttab_set_version, version) == 0);

struct gnttab_get_status_frames {
    uint32_t nr_frames;
    uint16_t dom;
    int16_t status;
    void *frame_list;
};
typedef struct gnttab_get_status_frames gnttab_get_status_frames_t;
XEN_ASSERT(sizeof(struct gnttab_get_status_frames) == 16);
XEN_ASSERT(offsetof(struct gnttab_get_status_frames, nr_frames) == 0);
XEN_ASSERT(offsetof(struct gnttab_get_status_frames, dom) == 4);
XEN_ASSERT(offsetof(struct gnttab_get_status_frames, status) == 6);
XEN_ASSERT(offsetof(struct gnttab_get_status_frames, frame_list) == 8);

struct gnttab_get_version {
    uint16_t dom;
    uint16_t pad;
    uint32_t version;
};
typedef struct gnttab_get_version gnttab_get_version_t;
XEN_ASSERT(sizeof(struct gnttab_get_version) == 8);
XEN_ASSERT(offsetof(struct gnttab_get_version, dom) == 0);
XEN_ASSERT(offsetof(struct gnttab_get_version, pad) == 2);
XEN_ASSERT(offsetof(struct gnttab_get_version, version) == 4);

struct gnttab_swap_grant_ref {
    uint32_t ref_a;
    uint32_t ref_b;
    int16_t status;
};
typedef struct gnttab_swap_grant_ref gnttab_swap_grant_ref_t;
XEN_ASSERT(sizeof(struct gnttab_swap_grant_ref) == 12);
XEN_ASSERT(offsetof(struct gnttab_swap_grant_ref, ref_a) == 0);
XEN_ASSERT(offsetof(struct gnttab_swap_grant_ref, ref_b) == 4);
XEN_ASSERT(offsetof(struct gnttab_swap_grant_ref, status) == 8);

struct gnttab_cache_flush {
    union {
        uint64_t dev_bus_addr;
        uint32_t ref;
    } a;
    uint16_t offset;
    uint16_t length;
    uint32_t op;
};
typedef struct gnttab_cache_flush gnttab_cache_flush_t;
XEN_ASSERT(sizeof(struct gnttab_cache_flush) == 16);
XEN_ASSERT(offsetof(struct gnttab_cache_flush, a) == 0);
XEN_ASSERT(offsetof(struct gnttab_cache_flush, offset) == 8);
XEN_ASSERT(offsetof(struct gnttab_cache_flush, length) == 10);
XEN_ASSERT(offsetof(struct gnttab_cache_flush, op) == 12);

struct hvm_start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr;
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr;
    uint32_t memmap_entries;
    uint32_t reserved;
};
typedef struct hvm_start_info hvm_start_info_t;
XEN_ASSERT(sizeof(struct hvm_start_info) == 56);
XEN_ASSERT(offsetof(struct hvm_start_info, magic) == 0);
XEN_ASSERT(offsetof(struct hvm_start_info, version) == 4);
XEN_ASSERT(offsetof(struct hvm_start_info, flags) == 8);
XEN_ASSERT(offsetof(struct hvm_start_info, nr_modules) == 12);
XEN_ASSERT(offsetof(struct hvm_start_info, modlist_paddr) == 16);
XEN_ASSERT(offsetof(struct hvm_start_info, cmdline_paddr) == 24);
XEN_ASSERT(offsetof(struct hvm_start_info, rsdp_paddr) == 32);
XEN_ASSERT(offsetof(struct hvm_start_info, memmap_paddr) == 40);
XEN_ASSERT(offsetof(struct hvm_start_info, memmap_entries) == 48);
XEN_ASSERT(offsetof(struct hvm_start_info, reserved) == 52);

struct hvm_modlist_entry {
    uint64_t paddr;
    uint64_t size;
    uint64_t cmdline_paddr;
    uint64_t reserved;
};
typedef struct hvm_modlist_entry hvm_modlist_entry_t;
XEN_ASSERT(sizeof(struct hvm_modlist_entry) == 32);
XEN_ASSERT(offsetof(struct hvm_modlist_entry, paddr) == 0);
XEN_ASSERT(offsetof(struct hvm_modlist_entry, size) == 8);
XEN_ASSERT(offsetof(struct hvm_modlist_entry, cmdline_paddr) == 16);
XEN_ASSERT(offsetof(struct hvm_modlist_entry, reserved) == 24);

struct hvm_memmap_table_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};
typedef struct hvm_memmap_table_entry hvm_memmap_table_entry_t;
XEN_ASSERT(sizeof(struct hvm_memmap_table_entry) == 24);
XEN_ASSERT(offsetof(struct hvm_memmap_table_entry, addr) == 0);
XEN_ASSERT(offsetof(struct hvm_memmap_table_entry, size) == 8);
XEN_ASSERT(offsetof(struct hvm_memmap_table_entry, type) == 16);
XEN_ASSERT(offsetof(struct hvm_memmap_table_entry, reserved) == 20);

struct xencons_interface {
    char in[1024];
    char out[2048];
    uint32_t in_cons;
    uint32_t in_prod;
    uint32_t out_cons;
    uint32_t out_prod;
    uint8_t connection;
};
typedef struct xencons_interface xencons_interface_t;
XEN_ASSERT(sizeof(struct xencons_interface) == 3092);
XEN_ASSERT(offsetof(struct xencons_interface, in) == 0);
XEN_ASSERT(offsetof(struct xencons_interface, out) == 1024);
XEN_ASSERT(offsetof(struct xencons_interface, in_cons) == 3072);
XEN_ASSERT(offsetof(struct xencons_interface, in_prod) == 3076);
XEN_ASSERT(offsetof(struct xencons_interface, out_cons) == 3080);
XEN_ASSERT(offsetof(struct xencons_interface, out_prod) == 3084);
XEN_ASSERT(offsetof(struct xencons_interface, connection) == 3088);

struct xenstore_domain_interface {
    char req[1024];
    char rsp[1024];
    uint32_t req_cons;
    uint32_t req_prod;
    uint32_t rsp_cons;
    uint32_t rsp_prod;
    uint32_t server_features;
    uint32_t connection;
    uint32_t error;
    uint32_t evtchn_port;
};
typedef struct xenstore_domain_interface xenstore_domain_interface_t;
XEN_ASSERT(sizeof(struct xenstore_domain_interface) == 2080);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, req) == 0);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, rsp) == 1024);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, req_cons) == 2048);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, req_prod) == 2052);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, rsp_cons) == 2056);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, rsp_prod) == 2060);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, server_features) == 2064);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, connection) == 2068);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, error) == 2072);
XEN_ASSERT(offsetof(struct xenstore_domain_interface, evtchn_port) == 2076);

struct xsd_sockmsg {
    uint32_t type;
    uint32_t req_id;
    uint32_t tx_id;
    uint32_t len;
};
typedef struct xsd_sockmsg xsd_sockmsg_t;
XEN_ASSERT(sizeof(struct xsd_sockmsg) == 16);
XEN_ASSERT(offsetof(struct xsd_sockmsg, type) == 0);
XEN_ASSERT(offsetof(struct xsd_sockmsg, req_id) == 4);
XEN_ASSERT(offsetof(struct xsd_sockmsg, tx_id) == 8);
XEN_ASSERT(offsetof(struct xsd_sockmsg, len) == 12);

struct blkif_request_segment {
    uint32_t gref;
    uint8_t first_sect;
    uint8_t last_sect;
};
typedef struct blkif_request_segment blkif_request_segment_t;
XEN_ASSERT(sizeof(struct blkif_request_segment) == 8);
XEN_ASSERT(offsetof(struct blkif_request_segment, gref) == 0);
XEN_ASSERT(offsetof(struct blkif_request_segment, first_sect) == 4);
XEN_ASSERT(offsetof(struct blkif_request_segment, last_sect) == 5);

struct blkif_request {
    uint8_t operation;
    uint8_t nr_segments;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    struct blkif_request_segment seg[11];
};
typedef struct blkif_request blkif_request_t;
XEN_ASSERT(sizeof(struct blkif_request) == 112);
XEN_ASSERT(offsetof(struct blkif_request, operation) == 0);
XEN_ASSERT(offsetof(struct blkif_request, nr_segments) == 1);
XEN_ASSERT(offsetof(struct blkif_request, handle) == 2);
XEN_ASSERT(offsetof(struct blkif_request, id) == 8);
XEN_ASSERT(offsetof(struct blkif_request, sector_number) == 16);
XEN_ASSERT(offsetof(struct blkif_request, seg) == 24);

struct blkif_request_discard {
    uint8_t operation;
    uint8_t flag;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    uint64_t nr_sectors;
};
typedef struct blkif_request_discard blkif_request_discard_t;
XEN_ASSERT(sizeof(struct blkif_request_discard) == 32);
XEN_ASSERT(offsetof(struct blkif_request_discard, operation) == 0);
XEN_ASSERT(offsetof(struct blkif_request_discard, flag) == 1);
XEN_ASSERT(offsetof(struct blkif_request_discard, handle) == 2);
XEN_ASSERT(offsetof(struct blkif_request_discard, id) == 8);
XEN_ASSERT(offsetof(struct blkif_request_discard, sector_number) == 16);
XEN_ASSERT(offsetof(struct blkif_request_discard, nr_sectors) == 24);

struct blkif_request_indirect {
    uint8_t operation;
    uint8_t indirect_op;
    uint16_t nr_segments;
    uint64_t id;
    uint64_t sector_number;
    uint16_t handle;
    uint32_t indirect_grefs[8];
};
typedef struct blkif_request_indirect blkif_request_indirect_t;
XEN_ASSERT(sizeof(struct blkif_request_indirect) == 64);
XEN_ASSERT(offsetof(struct blkif_request_indirect, operation) == 0);
XEN_ASSERT(offsetof(struct blkif_request_indirect, indirect_op) == 1);
XEN_ASSERT(offsetof(struct blkif_request_indirect, nr_segments) == 2);
XEN_ASSERT(offsetof(struct blkif_request_indirect, id) == 8);
XEN_ASSERT(offsetof(struct blkif_request_indirect, sector_number) == 16);
XEN_ASSERT(offsetof(struct blkif_request_indirect, handle) == 24);
XEN_ASSERT(offsetof(struct blkif_request_indirect, indirect_grefs) == 28);

struct blkif_response {
    uint64_t id;
    uint8_t operation;
    int16_t status;
};
typedef struct blkif_response blkif_response_t;
XEN_ASSERT(sizeof(struct blkif_response) == 16);
XEN_ASSERT(offsetof(struct blkif_response, id) == 0);
XEN_ASSERT(offsetof(struct blkif_response, operation) == 8);
XEN_ASSERT(offsetof(struct blkif_response, status) == 10);

struct blkif_sring {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union {
        struct blkif_request req;
        struct blkif_response rsp;
    } ring[1];
};
typedef struct blkif_sring blkif_sring_t;
XEN_ASSERT(sizeof(struct blkif_sring) == 176);
XEN_ASSERT(offsetof(struct blkif_sring, req_prod) == 0);
XEN_ASSERT(offsetof(struct blkif_sring, req_event) == 4);
XEN_ASSERT(offsetof(struct blkif_sring, rsp_prod) == 8);
XEN_ASSERT(offsetof(struct blkif_sring, rsp_event) == 12);
XEN_ASSERT(offsetof(struct blkif_sring, pvt) == 16);
XEN_ASSERT(offsetof(struct blkif_sring, __pad) == 20);
XEN_ASSERT(offsetof(struct blkif_sring, ring) == 64);

struct netif_tx_request {
    uint32_t gref;
    uint16_t offset;
    uint16_t flags;
    uint16_t id;
    uint16_t size;
};
typedef struct netif_tx_request netif_tx_request_t;
XEN_ASSERT(sizeof(struct netif_tx_request) == 12);
XEN_ASSERT(offsetof(struct netif_tx_request, gref) == 0);
XEN_ASSERT(offsetof(struct netif_tx_request, offset) == 4);
XEN_ASSERT(offsetof(struct netif_tx_request, flags) == 6);
XEN_ASSERT(offsetof(struct netif_tx_request, id) == 8);
XEN_ASSERT(offsetof(struct netif_tx_request, size) == 10);

struct netif_extra_info {
    uint8_t type;
    uint8_t flags;
    union {
        struct {
            uint16_t size;
            uint8_t type;
            uint8_t pad;
            uint16_t features;
        } gso;
        struct {
            uint8_t addr[6];
        } mcast;
        struct {
            uint8_t type;
            uint8_t algorithm;
            uint8_t value[4];
        } hash;
        uint16_t pad[3];
    } u;
};
typedef struct netif_extra_info netif_extra_info_t;
XEN_ASSERT(sizeof(struct netif_extra_info) == 8);
XEN_ASSERT(offsetof(struct netif_extra_info, type) == 0);
XEN_ASSERT(offsetof(struct netif_extra_info, flags) == 1);
XEN_ASSERT(offsetof(struct netif_extra_info, u) == 2);

struct netif_tx_response {
    uint16_t id;
    int16_t status;
};
typedef struct netif_tx_response netif_tx_response_t;
XEN_ASSERT(sizeof(struct netif_tx_response) == 4);
XEN_ASSERT(offsetof(struct netif_tx_response, id) == 0);
XEN_ASSERT(offsetof(struct netif_tx_response, status) == 2);

struct netif_tx_sring {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union {
        struct netif_tx_request req;
        struct netif_tx_response rsp;
    } ring[1];
};
typedef struct netif_tx_sring netif_tx_sring_t;
XEN_ASSERT(sizeof(struct netif_tx_sring) == 76);
XEN_ASSERT(offsetof(struct netif_tx_sring, req_prod) == 0);
XEN_ASSERT(offsetof(struct netif_tx_sring, req_event) == 4);
XEN_ASSERT(offsetof(struct netif_tx_sring, rsp_prod) == 8);
XEN_ASSERT(offsetof(struct netif_tx_sring, rsp_event) == 12);
XEN_ASSERT(offsetof(struct netif_tx_sring, pvt) == 16);
XEN_ASSERT(offsetof(struct netif_tx_sring, __pad) == 20);
XEN_ASSERT(offsetof(struct netif_tx_sring, ring) == 64);

struct netif_rx_request {
    uint16_t id;
    uint16_t pad;
    uint32_t gref;
};
typedef struct netif_rx_request netif_rx_request_t;
XEN_ASSERT(sizeof(struct netif_rx_request) == 8);
XEN_ASSERT(offsetof(struct netif_rx_request, id) == 0);
XEN_ASSERT(offsetof(struct netif_rx_request, pad) == 2);
XEN_ASSERT(offsetof(struct netif_rx_request, gref) == 4);

struct netif_rx_response {
    uint16_t id;
    uint16_t offset;
    uint16_t flags;
    int16_t status;
};
typedef struct netif_rx_response netif_rx_response_t;
XEN_ASSERT(sizeof(struct netif_rx_response) == 8);
XEN_ASSERT(offsetof(struct netif_rx_response, id) == 0);
XEN_ASSERT(offsetof(struct netif_rx_response, offset) == 2);
XEN_ASSERT(offsetof(struct netif_rx_response, flags) == 4);
XEN_ASSERT(offsetof(struct netif_rx_response, status) == 6);

struct netif_rx_sring {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union {
        struct netif_rx_request req;
        struct netif_rx_response rsp;
    } ring[1];
};
typedef struct netif_rx_sring netif_rx_sring_t;
XEN_ASSERT(sizeof(struct netif_rx_sring) == 72);
XEN_ASSERT(offsetof(struct netif_rx_sring, req_prod) == 0);
XEN_ASSERT(offsetof(struct netif_rx_sring, req_event) == 4);
XEN_ASSERT(offsetof(struct netif_rx_sring, rsp_prod) == 8);
XEN_ASSERT(offsetof(struct netif_rx_sring, rsp_event) == 12);
XEN_ASSERT(offsetof(struct netif_rx_sring, pvt) == 16);
XEN_ASSERT(offsetof(struct netif_rx_sring, __pad) == 20);
XEN_ASSERT(offsetof(struct netif_rx_sring, ring) == 64);

struct xen_netif_ctrl_request {
    uint16_t id;
    uint16_t type;
    uint32_t data[3];
};
typedef struct xen_netif_ctrl_request xen_netif_ctrl_request_t;
XEN_ASSERT(sizeof(struct xen_netif_ctrl_request) == 16);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_request, id) == 0);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_request, type) == 2);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_request, data) == 4);

struct xen_netif_ctrl_response {
    uint16_t id;
    uint16_t type;
    uint32_t status;
    uint32_t data;
};
typedef struct xen_netif_ctrl_response xen_netif_ctrl_response_t;
XEN_ASSERT(sizeof(struct xen_netif_ctrl_response) == 12);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_response, id) == 0);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_response, type) == 2);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_response, status) == 4);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_response, data) == 8);

struct xen_netif_gref {
    uint32_t ref;
    uint16_t flags;
    uint16_t status;
};
typedef struct xen_netif_gref xen_netif_gref_t;
XEN_ASSERT(sizeof(struct xen_netif_gref) == 8);
XEN_ASSERT(offsetof(struct xen_netif_gref, ref) == 0);
XEN_ASSERT(offsetof(struct xen_netif_gref, flags) == 4);
XEN_ASSERT(offsetof(struct xen_netif_gref, status) == 6);

struct xen_netif_ctrl_sring {
    uint32_t req_prod;
    uint32_t req_event;
    uint32_t rsp_prod;
    uint32_t rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union {
        struct xen_netif_ctrl_request req;
        struct xen_netif_ctrl_response rsp;
    } ring[1];
};
typedef struct xen_netif_ctrl_sring xen_netif_ctrl_sring_t;
XEN_ASSERT(sizeof(struct xen_netif_ctrl_sring) == 80);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, req_prod) == 0);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, req_event) == 4);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, rsp_prod) == 8);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, rsp_event) == 12);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, pvt) == 16);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, __pad) == 20);
XEN_ASSERT(offsetof(struct xen_netif_ctrl_sring, ring) == 64);

struct xen_memory_reservation {
    void *extent_start;
    xen_ulong_t nr_extents;
    uint32_t extent_order;
    uint32_t mem_flags;
    uint16_t domid;
};
typedef struct xen_memory_reservation xen_memory_reservation_t;
XEN_ASSERT(sizeof(struct xen_memory_reservation) == 32);
XEN_ASSERT(offsetof(struct xen_memory_reservation, extent_start) == 0);
XEN_ASSERT(offsetof(struct xen_memory_reservation, nr_extents) == 8);
XEN_ASSERT(offsetof(struct xen_memory_reservation, extent_order) == 16);
XEN_ASSERT(offsetof(struct xen_memory_reservation, mem_flags) == 20);
XEN_ASSERT(offsetof(struct xen_memory_reservation, domid) == 24);

struct xen_memory_exchange {
    struct xen_memory_reservation in;
    struct xen_memory_reservation out;
    xen_ulong_t nr_exchanged;
};
typedef struct xen_memory_exchange xen_memory_exchange_t;
XEN_ASSERT(sizeof(struct xen_memory_exchange) == 72);
XEN_ASSERT(offsetof(struct xen_memory_exchange, in) == 0);
XEN_ASSERT(offsetof(struct xen_memory_exchange, out) == 32);
XEN_ASSERT(offsetof(struct xen_memory_exchange, nr_exchanged) == 64);

struct xen_memory_domain {
    uint16_t domid;
};
typedef struct xen_memory_domain xen_memory_domain_t;
XEN_ASSERT(sizeof(struct xen_memory_domain) == 2);
XEN_ASSERT(offsetof(struct xen_memory_domain, domid) == 0);

struct xen_machphys_mfn_list {
    uint32_t max_extents;
    void *extent_start;
    uint32_t nr_extents;
};
typedef struct xen_machphys_mfn_list xen_machphys_mfn_list_t;
XEN_ASSERT(sizeof(struct xen_machphys_mfn_list) == 24);
XEN_ASSERT(offsetof(struct xen_machphys_mfn_list, max_extents) == 0);
XEN_ASSERT(offsetof(struct xen_machphys_mfn_list, extent_start) == 8);
XEN_ASSERT(offsetof(struct xen_machphys_mfn_list, nr_extents) == 16);

struct xen_machphys_mapping {
    xen_ulong_t v_start;
    xen_ulong_t v_end;
    xen_ulong_t max_mfn;
};
typedef struct xen_machphys_mapping xen_machphys_mapping_t;
XEN_ASSERT(sizeof(struct xen_machphys_mapping) == 24);
XEN_ASSERT(offsetof(struct xen_machphys_mapping, v_start) == 0);
XEN_ASSERT(offsetof(struct xen_machphys_mapping, v_end) == 8);
XEN_ASSERT(offsetof(struct xen_machphys_mapping, max_mfn) == 16);

struct xen_add_to_physmap {
    uint16_t domid;
    uint16_t size;
    uint32_t space;
    xen_ulong_t idx;
    xen_pfn_t gpfn;
};
typedef struct xen_add_to_physmap xen_add_to_physmap_t;
XEN_ASSERT(sizeof(struct xen_add_to_physmap) == 24);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, domid) == 0);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, size) == 2);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, space) == 4);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, idx) == 8);
XEN_ASSERT(offsetof(struct xen_add_to_physmap, gpfn) == 16);

struct xen_add_to_physmap_batch {
    uint16_t domid;
    uint16_t space;
    uint16_t size;
    union {
        uint16_t foreign_domid;
        uint16_t res0;
    } u;
    void *idxs;
    void *gpfns;
    void *errs;
};
typedef struct xen_add_to_physmap_batch xen_add_to_physmap_batch_t;
XEN_ASSERT(sizeof(struct xen_add_to_physmap_batch) == 32);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, domid) == 0);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, space) == 2);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, size) == 4);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, u) == 6);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, idxs) == 8);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, gpfns) == 16);
XEN_ASSERT(offsetof(struct xen_add_to_physmap_batch, errs) == 24);

struct xen_remove_from_physmap {
    uint16_t domid;
    xen_pfn_t gpfn;
};
typedef struct xen_remove_from_physmap xen_remove_from_physmap_t;
XEN_ASSERT(sizeof(struct xen_remove_from_physmap) == 16);
XEN_ASSERT(offsetof(struct xen_remove_from_physmap, domid) == 0);
XEN_ASSERT(offsetof(struct xen_remove_from_physmap, gpfn) == 8);

struct xen_memory_map {
    uint32_t nr_entries;
    void *buffer;
};
typedef struct xen_memory_map xen_memory_map_t;
XEN_ASSERT(sizeof(struct xen_memory_map) == 16);
XEN_ASSERT(offsetof(struct xen_memory_map, nr_entries) == 0);
XEN_ASSERT(offsetof(struct xen_memory_map, buffer) == 8);

struct xen_foreign_memory_map {
    uint16_t domid;
    struct xen_memory_map map;
};
typedef struct xen_foreign_memory_map xen_foreign_memory_map_t;
XEN_ASSERT(sizeof(struct xen_foreign_memory_map) == 24);
XEN_ASSERT(offsetof(struct xen_foreign_memory_map, domid) == 0);
XEN_ASSERT(offsetof(struct xen_foreign_memory_map, map) == 8);

struct xen_pod_target {
    uint64_t target_pages;
    uint64_t tot_pages;
    uint64_t pod_cache_pages;
    uint64_t pod_entries;
    uint16_t domid;
};
typedef struct xen_pod_target xen_pod_target_t;
XEN_ASSERT(sizeof(struct xen_pod_target) == 40);
XEN_ASSERT(offsetof(struct xen_pod_target, target_pages) == 0);
XEN_ASSERT(offsetof(struct xen_pod_target, tot_pages) == 8);
XEN_ASSERT(offsetof(struct xen_pod_target, pod_cache_pages) == 16);
XEN_ASSERT(offsetof(struct xen_pod_target, pod_entries) == 24);
XEN_ASSERT(offsetof(struct xen_pod_target, domid) == 32);

struct xen_mem_acquire_resource {
    uint16_t domid;
    uint16_t type;
    uint32_t id;
    uint32_t nr_frames;
    uint32_t pad;
    uint64_t frame;
    void *frame_list;
};
typedef struct xen_mem_acquire_resource xen_mem_acquire_resource_t;
XEN_ASSERT(sizeof(struct xen_mem_acquire_resource) == 32);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, domid) == 0);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, type) == 2);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, id) == 4);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, nr_frames) == 8);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, pad) == 12);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, frame) == 16);
XEN_ASSERT(offsetof(struct xen_mem_acquire_resource, frame_list) == 24);

struct xen_vmemrange {
    uint64_t start;
    uint64_t end;
    uint32_t flags;
    uint32_t nid;
};
typedef struct xen_vmemrange xen_vmemrange_t;
XEN_ASSERT(sizeof(struct xen_vmemrange) == 24);
XEN_ASSERT(offsetof(struct xen_vmemrange, start) == 0);
XEN_ASSERT(offsetof(struct xen_vmemrange, end) == 8);
XEN_ASSERT(offsetof(struct xen_vmemrange, flags) == 16);
XEN_ASSERT(offsetof(struct xen_vmemrange, nid) == 20);

struct xen_vnuma_topology_info {
    uint16_t domid;
    uint16_t pad;
    uint32_t nr_vnodes;
    uint32_t nr_vcpus;
    uint32_t nr_vmemranges;
    union {
        void *h;
        uint64_t pad;
    } vdistance;
    union {
        void *h;
        uint64_t pad;
    } vcpu_to_vnode;
    union {
        void *h;
        uint64_t pad;
    } vmemrange;
};
typedef struct xen_vnuma_topology_info xen_vnuma_topology_info_t;
XEN_ASSERT(sizeof(struct xen_vnuma_topology_info) == 40);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, domid) == 0);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, pad) == 2);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, nr_vnodes) == 4);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, nr_vcpus) == 8);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, nr_vmemranges) == 12);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, vdistance) == 16);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, vcpu_to_vnode) == 24);
XEN_ASSERT(offsetof(struct xen_vnuma_topology_info, vmemrange) == 32);

struct physdev_eoi {
    uint32_t irq;
};
typedef struct physdev_eoi physdev_eoi_t;
XEN_ASSERT(sizeof(struct physdev_eoi) == 4);
XEN_ASSERT(offsetof(struct physdev_eoi, irq) == 0);

struct physdev_pirq_eoi_gmfn {
    xen_pfn_t gmfn;
};
typedef struct physdev_pirq_eoi_gmfn physdev_pirq_eoi_gmfn_t;
XEN_ASSERT(sizeof(struct physdev_pirq_eoi_gmfn) == 8);
XEN_ASSERT(offsetof(struct physdev_pirq_eoi_gmfn, gmfn) == 0);

struct physdev_irq_status_query {
    uint32_t irq;
    uint32_t flags;
};
typedef struct physdev_irq_status_query physdev_irq_status_query_t;
XEN_ASSERT(sizeof(struct physdev_irq_status_query) == 8);
XEN_ASSERT(offsetof(struct physdev_irq_status_query, irq) == 0);
XEN_ASSERT(offsetof(struct physdev_irq_status_query, flags) == 4);

struct physdev_set_iopl {
    uint32_t iopl;
};
typedef struct physdev_set_iopl physdev_set_iopl_t;
XEN_ASSERT(sizeof(struct physdev_set_iopl) == 4);
XEN_ASSERT(offsetof(struct physdev_set_iopl, iopl) == 0);

struct physdev_set_iobitmap {
    void *bitmap;
    uint32_t nr_ports;
};
typedef struct physdev_set_iobitmap physdev_set_iobitmap_t;
XEN_ASSERT(sizeof(struct physdev_set_iobitmap) == 16);
XEN_ASSERT(offsetof(struct physdev_set_iobitmap, bitmap) == 0);
XEN_ASSERT(offsetof(struct physdev_set_iobitmap, nr_ports) == 8);

struct physdev_apic {
    xen_ulong_t apic_physbase;
    uint32_t reg;
    uint32_t value;
};
typedef struct physdev_apic physdev_apic_t;
XEN_ASSERT(sizeof(struct physdev_apic) == 16);
XEN_ASSERT(offsetof(struct physdev_apic, apic_physbase) == 0);
XEN_ASSERT(offsetof(struct physdev_apic, reg) == 8);
XEN_ASSERT(offsetof(struct physdev_apic, value) == 12);

struct physdev_irq {
    uint32_t irq;
    uint32_t vector;
};
typedef struct physdev_irq physdev_irq_t;
XEN_ASSERT(sizeof(struct physdev_irq) == 8);
XEN_ASSERT(offsetof(struct physdev_irq, irq) == 0);
XEN_ASSERT(offsetof(struct physdev_irq, vector) == 4);

struct physdev_map_pirq {
    uint16_t domid;
    int32_t type;
    int32_t index;
    int32_t pirq;
    int32_t bus;
    int32_t devfn;
    int32_t entry_nr;
    uint64_t table_base;
};
typedef struct physdev_map_pirq physdev_map_pirq_t;
XEN_ASSERT(sizeof(struct physdev_map_pirq) == 40);
XEN_ASSERT(offsetof(struct physdev_map_pirq, domid) == 0);
XEN_ASSERT(offsetof(struct physdev_map_pirq, type) == 4);
XEN_ASSERT(offsetof(struct physdev_map_pirq, index) == 8);
XEN_ASSERT(offsetof(struct physdev_map_pirq, pirq) == 12);
XEN_ASSERT(offsetof(struct physdev_map_pirq, bus) == 16);
XEN_ASSERT(offsetof(struct physdev_map_pirq, devfn) == 20);
XEN_ASSERT(offsetof(struct physdev_map_pirq, entry_nr) == 24);
XEN_ASSERT(offsetof(struct physdev_map_pirq, table_base) == 32);

struct physdev_unmap_pirq {
    uint16_t domid;
    int32_t pirq;
};
typedef struct physdev_unmap_pirq physdev_unmap_pirq_t;
XEN_ASSERT(sizeof(struct physdev_unmap_pirq) == 8);
XEN_ASSERT(offsetof(struct physdev_unmap_pirq, domid) == 0);
XEN_ASSERT(offsetof(struct physdev_unmap_pirq, pirq) == 4);

struct physdev_setup_gsi {
    int32_t gsi;
    uint8_t triggering;
    uint8_t polarity;
};
typedef struct physdev_setup_gsi physdev_setup_gsi_t;
XEN_ASSERT(sizeof(struct physdev_setup_gsi) == 8);
XEN_ASSERT(offsetof(struct physdev_setup_gsi, gsi) == 0);
XEN_ASSERT(offsetof(struct physdev_setup_gsi, triggering) == 4);
XEN_ASSERT(offsetof(struct physdev_setup_gsi, polarity) == 5);

struct physdev_get_free_pirq {
    int32_t type;
    uint32_t pirq;
};
typedef struct physdev_get_free_pirq physdev_get_free_pirq_t;
XEN_ASSERT(sizeof(struct physdev_get_free_pirq) == 8);
XEN_ASSERT(offsetof(struct physdev_get_free_pirq, type) == 0);
XEN_ASSERT(offsetof(struct physdev_get_free_pirq, pirq) == 4);

struct physdev_pci_device {
    uint16_t seg;
    uint8_t bus;
    uint8_t devfn;
};
typedef struct physdev_pci_device physdev_pci_device_t;
XEN_ASSERT(sizeof(struct physdev_pci_device) == 4);
XEN_ASSERT(offsetof(struct physdev_pci_device, seg) == 0);
XEN_ASSERT(offsetof(struct physdev_pci_device, bus) == 2);
XEN_ASSERT(offsetof(struct physdev_pci_device, devfn) == 3);

struct physdev_op {
    uint32_t cmd;
    union {
        struct physdev_irq_status_query irq_status_query;
        struct physdev_set_iopl set_iopl;
        struct physdev_set_iobitmap set_iobitmap;
        struct physdev_apic apic_op;
        struct physdev_irq irq_op;
    } u;
};
typedef struct physdev_op physdev_op_t;
XEN_ASSERT(sizeof(struct physdev_op) == 24);
XEN_ASSERT(offsetof(struct physdev_op, cmd) == 0);
XEN_ASSERT(offsetof(struct physdev_op, u) == 8);

struct sched_shutdown {
    uint32_t reason;
};
typedef struct sched_shutdown sched_shutdown_t;
XEN_ASSERT(sizeof(struct sched_shutdown) == 4);
XEN_ASSERT(offsetof(struct sched_shutdown, reason) == 0);

struct sched_poll {
    void *ports;
    uint32_t nr_ports;
    uint64_t timeout;
};
typedef struct sched_poll sched_poll_t;
XEN_ASSERT(sizeof(struct sched_poll) == 24);
XEN_ASSERT(offsetof(struct sched_poll, ports) == 0);
XEN_ASSERT(offsetof(struct sched_poll, nr_ports) == 8);
XEN_ASSERT(offsetof(struct sched_poll, timeout) == 16);

struct sched_remote_shutdown {
    uint16_t domain_id;
    uint32_t reason;
};
typedef struct sched_remote_shutdown sched_remote_shutdown_t;
XEN_ASSERT(sizeof(struct sched_remote_shutdown) == 8);
XEN_ASSERT(offsetof(struct sched_remote_shutdown, domain_id) == 0);
XEN_ASSERT(offsetof(struct sched_remote_shutdown, reason) == 4);

struct sched_watchdog {
    uint32_t id;
    uint32_t timeout;
};
typedef struct sched_watchdog sched_watchdog_t;
XEN_ASSERT(sizeof(struct sched_watchdog) == 8);
XEN_ASSERT(offsetof(struct sched_watchdog, id) == 0);
XEN_ASSERT(offsetof(struct sched_watchdog, timeout) == 4);

struct sched_pin_override {
    int32_t pcpu;
};
typedef struct sched_pin_override sched_pin_override_t;
XEN_ASSERT(sizeof(struct sched_pin_override) == 4);
XEN_ASSERT(offsetof(struct sched_pin_override, pcpu) == 0);

struct vcpu_runstate_info {
    int32_t state;
    uint64_t state_entry_time;
    uint64_t time[4];
};
typedef struct vcpu_runstate_info vcpu_runstate_info_t;
XEN_ASSERT(sizeof(struct vcpu_runstate_info) == 48);
XEN_ASSERT(offsetof(struct vcpu_runstate_info, state) == 0);
XEN_ASSERT(offsetof(struct vcpu_runstate_info, state_entry_time) == 8);
XEN_ASSERT(offsetof(struct vcpu_runstate_info, time) == 16);

struct vcpu_register_runstate_memory_area {
    union {
        void *h;
        void *v;
        uint64_t p;
    } addr;
};
typedef struct vcpu_register_runstate_memory_area vcpu_register_runstate_memory_area_t;
XEN_ASSERT(sizeof(struct vcpu_register_runstate_memory_area) == 8);
XEN_ASSERT(offsetof(struct vcpu_register_runstate_memory_area, addr) == 0);

struct vcpu_set_periodic_timer {
    uint64_t period_ns;
};
typedef struct vcpu_set_periodic_timer vcpu_set_periodic_timer_t;
XEN_ASSERT(sizeof(struct vcpu_set_periodic_timer) == 8);
XEN_ASSERT(offsetof(struct vcpu_set_periodic_timer, period_ns) == 0);

struct vcpu_set_singleshot_timer {
    uint64_t timeout_abs_ns;
    uint32_t flags;
};
typedef struct vcpu_set_singleshot_timer vcpu_set_singleshot_timer_t;
XEN_ASSERT(sizeof(struct vcpu_set_singleshot_timer) == 16);
XEN_ASSERT(offsetof(struct vcpu_set_singleshot_timer, timeout_abs_ns) == 0);
XEN_ASSERT(offsetof(struct vcpu_set_singleshot_timer, flags) == 8);

struct vcpu_register_vcpu_info {
    uint64_t mfn;
    uint32_t offset;
    uint32_t rsvd;
};
typedef struct vcpu_register_vcpu_info vcpu_register_vcpu_info_t;
XEN_ASSERT(sizeof(struct vcpu_register_vcpu_info) == 16);
XEN_ASSERT(offsetof(struct vcpu_register_vcpu_info, mfn) == 0);
XEN_ASSERT(offsetof(struct vcpu_register_vcpu_info, offset) == 8);
XEN_ASSERT(offsetof(struct vcpu_register_vcpu_info, rsvd) == 12);

struct vcpu_get_physid {
    uint64_t phys_id;
};
typedef struct vcpu_get_physid vcpu_get_physid_t;
XEN_ASSERT(sizeof(struct vcpu_get_physid) == 8);
XEN_ASSERT(offsetof(struct vcpu_get_physid, phys_id) == 0);

struct vcpu_register_time_memory_area {
    union {
        void *h;
        void *v;
        uint64_t p;
    } addr;
};
typedef struct vcpu_register_time_memory_area vcpu_register_time_memory_area_t;
XEN_ASSERT(sizeof(struct vcpu_register_time_memory_area) == 8);
XEN_ASSERT(offsetof(struct vcpu_register_time_memory_area, addr) == 0);

struct xen_compile_info {
    char compiler[64];
    char compile_by[16];
    char compile_domain[32];
    char compile_date[32];
};
typedef struct xen_compile_info xen_compile_info_t;
XEN_ASSERT(sizeof(struct xen_compile_info) == 144);
XEN_ASSERT(offsetof(struct xen_compile_info, compiler) == 0);
XEN_ASSERT(offsetof(struct xen_compile_info, compile_by) == 64);
XEN_ASSERT(offsetof(struct xen_compile_info, compile_domain) == 80);
XEN_ASSERT(offsetof(struct xen_compile_info, compile_date) == 112);

struct xen_platform_parameters {
    xen_ulong_t virt_start;
};
typedef struct xen_platform_parameters xen_platform_parameters_t;
XEN_ASSERT(sizeof(struct xen_platform_parameters) == 8);
XEN_ASSERT(offsetof(struct xen_platform_parameters, virt_start) == 0);

struct xen_feature_info {
    uint32_t submap_idx;
    uint32_t submap;
};
typedef struct xen_feature_info xen_feature_info_t;
XEN_ASSERT(sizeof(struct xen_feature_info) == 8);
XEN_ASSERT(offsetof(struct xen_feature_info, submap_idx) == 0);
XEN_ASSERT(offsetof(struct xen_feature_info, submap) == 4);

struct xen_build_id {
    uint32_t len;
    uint8_t buf[];
};
typedef struct xen_build_id xen_build_id_t;
XEN_ASSERT(sizeof(struct xen_build_id) == 4);
XEN_ASSERT(offsetof(struct xen_build_id, len) == 0);
XEN_ASSERT(offsetof(struct xen_build_id, buf) == 4);

struct mmuext_op {
    uint32_t cmd;
    union {
        xen_pfn_t mfn;
        xen_ulong_t linear_addr;
    } arg1;
    union {
        uint32_t nr_ents;
        void *vcpumask;
        xen_pfn_t src_mfn;
    } arg2;
};
typedef struct mmuext_op mmuext_op_t;
XEN_ASSERT(sizeof(struct mmuext_op) == 24);
XEN_ASSERT(offsetof(struct mmuext_op, cmd) == 0);
XEN_ASSERT(offsetof(struct mmuext_op, arg1) == 8);
XEN_ASSERT(offsetof(struct mmuext_op, arg2) == 16);

struct mmu_update {
    uint64_t ptr;
    uint64_t val;
};
typedef struct mmu_update mmu_update_t;
XEN_ASSERT(sizeof(struct mmu_update) == 16);
XEN_ASSERT(offsetof(struct mmu_update, ptr) == 0);
XEN_ASSERT(offsetof(struct mmu_update, val) == 8);

struct multicall_entry {
    xen_ulong_t op;
    xen_ulong_t result;
    xen_ulong_t args[6];
};
typedef struct multicall_entry multicall_entry_t;
XEN_ASSERT(sizeof(struct multicall_entry) == 64);
XEN_ASSERT(offsetof(struct multicall_entry, op) == 0);
XEN_ASSERT(offsetof(struct multicall_entry, result) == 8);
XEN_ASSERT(offsetof(struct multicall_entry, args) == 16);

struct vcpu_time_info {
    uint32_t version;
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad1[2];
};
typedef struct vcpu_time_info vcpu_time_info_t;
XEN_ASSERT(sizeof(struct vcpu_time_info) == 32);
XEN_ASSERT(offsetof(struct vcpu_time_info, version) == 0);
XEN_ASSERT(offsetof(struct vcpu_time_info, pad0) == 4);
XEN_ASSERT(offsetof(struct vcpu_time_info, tsc_timestamp) == 8);
XEN_ASSERT(offsetof(struct vcpu_time_info, system_time) == 16);
XEN_ASSERT(offsetof(struct vcpu_time_info, tsc_to_system_mul) == 24);
XEN_ASSERT(offsetof(struct vcpu_time_info, tsc_shift) == 28);
XEN_ASSERT(offsetof(struct vcpu_time_info, flags) == 29);
XEN_ASSERT(offsetof(struct vcpu_time_info, pad1) == 30);

struct vcpu_info {
    uint8_t evtchn_upcall_pending;
    uint8_t evtchn_upcall_mask;
    xen_ulong_t evtchn_pending_sel;
    struct arch_vcpu_info arch;
    struct vcpu_time_info time;
};
typedef struct vcpu_info vcpu_info_t;
XEN_ASSERT(sizeof(struct vcpu_info) == 64);
XEN_ASSERT(offsetof(struct vcpu_info, evtchn_upcall_pending) == 0);
XEN_ASSERT(offsetof(struct vcpu_info, evtchn_upcall_mask) == 1);
XEN_ASSERT(offsetof(struct vcpu_info, evtchn_pending_sel) == 8);
XEN_ASSERT(offsetof(struct vcpu_info, arch) == 16);
XEN_ASSERT(offsetof(struct vcpu_info, time) == 32);

struct shared_info {
    struct vcpu_info vcpu_info[32];
    xen_ulong_t evtchn_pending[64];
    xen_ulong_t evtchn_mask[64];
    uint32_t wc_version;
    uint32_t wc_sec;
    uint32_t wc_nsec;
    uint32_t wc_sec_hi;
    struct arch_shared_info arch;
};
typedef struct shared_info shared_info_t;
XEN_ASSERT(sizeof(struct shared_info) == 3136);
XEN_ASSERT(offsetof(struct shared_info, vcpu_info) == 0);
XEN_ASSERT(offsetof(struct shared_info, evtchn_pending) == 2048);
XEN_ASSERT(offsetof(struct shared_info, evtchn_mask) == 2560);
XEN_ASSERT(offsetof(struct shared_info, wc_version) == 3072);
XEN_ASSERT(offsetof(struct shared_info, wc_sec) == 3076);
XEN_ASSERT(offsetof(struct shared_info, wc_nsec) == 3080);
XEN_ASSERT(offsetof(struct shared_info, wc_sec_hi) == 3084);
XEN_ASSERT(offsetof(struct shared_info, arch) == 3088);

struct start_info {
    char magic[32];
    xen_ulong_t nr_pages;
    xen_ulong_t shared_info;
    uint32_t flags;
    xen_pfn_t store_mfn;
    uint32_t store_evtchn;
    union {
        struct {
            xen_pfn_t mfn;
            uint32_t evtchn;
        } domU;
        struct {
            uint32_t info_off;
            uint32_t info_size;
        } dom0;
    } console;
    xen_ulong_t pt_base;
    xen_ulong_t nr_pt_frames;
    xen_ulong_t mfn_list;
    xen_ulong_t mod_start;
    xen_ulong_t mod_len;
    char cmd_line[1024];
    xen_ulong_t first_p2m_pfn;
    xen_ulong_t nr_p2m_frames;
};
typedef struct start_info start_info_t;
XEN_ASSERT(sizeof(struct start_info) == 1168);
XEN_ASSERT(offsetof(struct start_info, magic) == 0);
XEN_ASSERT(offsetof(struct start_info, nr_pages) == 32);
XEN_ASSERT(offsetof(struct start_info, shared_info) == 40);
XEN_ASSERT(offsetof(struct start_info, flags) == 48);
XEN_ASSERT(offsetof(struct start_info, store_mfn) == 56);
XEN_ASSERT(offsetof(struct start_info, store_evtchn) == 64);
XEN_ASSERT(offsetof(struct start_info, console) == 72);
XEN_ASSERT(offsetof(struct start_info, pt_base) == 88);
XEN_ASSERT(offsetof(struct start_info, nr_pt_frames) == 96);
XEN_ASSERT(offsetof(struct start_info, mfn_list) == 104);
XEN_ASSERT(offsetof(struct start_info, mod_start) == 112);
XEN_ASSERT(offsetof(struct start_info, mod_len) == 120);
XEN_ASSERT(offsetof(struct start_info, cmd_line) == 128);
XEN_ASSERT(offsetof(struct start_info, first_p2m_pfn) == 1152);
XEN_ASSERT(offsetof(struct start_info, nr_p2m_frames) == 1160);

struct xen_multiboot_mod_list {
    uint32_t mod_start;
    uint32_t mod_end;
    uint32_t cmdline;
    uint32_t pad;
};
typedef struct xen_multiboot_mod_list xen_multiboot_mod_list_t;
XEN_ASSERT(sizeof(struct xen_multiboot_mod_list) == 16);
XEN_ASSERT(offsetof(struct xen_multiboot_mod_list, mod_start) == 0);
XEN_ASSERT(offsetof(struct xen_multiboot_mod_list, mod_end) == 4);
XEN_ASSERT(offsetof(struct xen_multiboot_mod_list, cmdline) == 8);
XEN_ASSERT(offsetof(struct xen_multiboot_mod_list, pad) == 12);
#endif

/* The machine-to-physical table, which Xen maps into every guest. */
#define machine_to_phys_mapping ((const unsigned long *)MACH2PHYS_VIRT_START)

#undef XEN_ASSERT
#endif
#endif
