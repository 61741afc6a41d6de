/* Segments of the guest's own tables: limits, rings, the LDT, what is refused, 4 GiB segments. */
#include "conformance.h"

static volatile uint64_t gdt[512] aligned_page, ldt[512] aligned_page;
static volatile uint32_t data[1024] aligned_page;

#define BASE(base) (((unsigned long)(base) & 0xffffffull) << 16 | ((unsigned long)(base) >> 24 & 0xffull) << 56)
/** Data with a base and a limit of 4 KiB; flat data and code; DPL 0, which Xen raises to 1. */
#define SMALL(base) (0x0040920000000fffull | BASE(base))
#define FLAT_DATA 0x00cf92000000ffffull
#define FLAT_CODE 0x00cf9a000000ffffull

static long put(volatile uint64_t *at, uint64_t descriptor)
{
    return HYPERVISOR_update_descriptor(virt_to_machine(at), descriptor);
}

static void global_table(void)
{
    unsigned long frames[1] = { virt_to_mfn(gdt) }, value;
    tap_section("GDT");
    gdt[1] = FLAT_CODE;
    gdt[2] = SMALL(data);
    gdt[3] = FLAT_DATA;
    IS(remap(gdt, PTE_RO_FLAGS), 0);
    IS(HYPERVISOR_set_gdt(frames, 512), 0);
    for (int i = 1; i < 4; i++) IS(gdt[i] >> 45 & 3, 1);
    IS(TRAP_OF("movl $0x11, %%eax; movl %%eax, %%fs"), -1);
    data[0] = 0x5ec8e7, data[1023] = 0x77;
    asm volatile("movl $0x11, %0; movl %0, %%fs; movl %%fs:0, %0" : "=&r"(value));
    IS(value, 0x5ec8e7);
    asm volatile("movl %%fs:4092, %0" : "=r"(value));
    IS(value, 0x77);
    /* The limit is what LSL says; code is no stack; a ring that is further in; no such descriptor. */
    unsigned long limit = 0;
    unsigned char valid;
    asm volatile("lsl %2, %0; setz %1" : "+r"(limit), "=q"(valid) : "r"(0x11));
    IS(valid, 1);
    IS(limit, 0xfff);
    asm volatile("lsl %1, %0" : "=r"(limit) : "r"(FLAT_KERNEL_DS));
    IS(limit, 0xffffffff);
    asm volatile("lsl %1, %1; setz %0" : "=q"(valid) : "r"(0xff9));
    IS(valid, 0);
    asm volatile("verw %w1; setz %0" : "=q"(valid) : "r"(0x11));
    IS(valid, 1);
    asm volatile("verw %w1; setz %0" : "=q"(valid) : "r"(0x9));
    IS(valid, 0);
    IS(TRAP_OF("movl $0x9, %%eax; movl %%eax, %%ss"), 13);
    IS(trap_caught.frame.error, 8);
    IS(TRAP_OF("movl $0x12, %%eax; movl %%eax, %%fs"), 13);
    IS(TRAP_OF("movl $0xff9, %%eax; movl %%eax, %%fs"), 13);
    IS(trap_caught.frame.error, 0xff8);
    IS(TRAP_OF("ljmp $9, $2f; 2: movl %%cs, %%eax; cmpl $9, %%eax; jne 3f; ud2; 3:"), 6);
    IS(trap_caught.frame.cs & 0xffff, 9);
    tap_section("descriptors that are refused");
    IS(put(&gdt[4], 0x00af9a000000ffffull), -XEN_EINVAL);  /* 64-bit code */
    IS(put(&gdt[4], 0x0000850000000000ull), -XEN_EINVAL);  /* a task gate */
    IS(put(&gdt[4], 0x0000890000000067ull), -XEN_EINVAL);  /* a TSS */
    IS(put(&gdt[4], 0x0000820000000067ull), -XEN_EINVAL);  /* an LDT */
    IS(put(&gdt[4], 0x00008e0000100000ull), -XEN_EINVAL);  /* an interrupt gate */
    IS(put(&gdt[4], 0x00cf72000000ffffull), 0);            /* not present: anything goes */
    IS(TRAP_OF("movl $0x23, %%eax; movl %%eax, %%fs"), 11);
    IS(trap_caught.frame.error, 0x20);
    IS(put(&gdt[4], 0x00cff2000000ffffull), 0);
    IS(TRAP_OF("movl $0x23, %%eax; movl %%eax, %%fs"), -1);
    IS(TRAP_OF("movl $0x23, %%eax; movl %%eax, %%ss"), 13);
    IS(TRAP_OF("movl $0, gdt"), 14);
}

/** A call gate of 32 bits to an address in a code segment; Xen keeps it from being used by privilege 0, and its own in the RPL. */
#define CALL_GATE(selector, dpl, offset)                                                                               \
    (0x00008c0000000000ull | (uint64_t)(dpl) << 45 | (uint64_t)(selector) << 16 | (offset))

static void call_gates(void)
{
    tap_section("call gates");
    IS(put(&gdt[4], CALL_GATE(9, 3, 0x1234)), 0);
    IS(gdt[4], CALL_GATE(0xb, 0, 0x1234));
    IS(put(&gdt[4], CALL_GATE(8, 0, 0x1234)), 0);
    IS(gdt[4], CALL_GATE(9, 0, 0x1234));
    IS(put(&gdt[4], CALL_GATE(FLAT_KERNEL_CS, 1, 0)), 0);
    IS(put(&gdt[4], CALL_GATE(FLAT_KERNEL_CS, 1, 0) | 3ull << 32), 0);            /* words to copy */
    IS(put(&gdt[4], CALL_GATE(FLAT_KERNEL_CS, 1, 0) | 1ull << 37), -XEN_EINVAL);  /* a reserved bit */
    IS(put(&gdt[4], CALL_GATE(FLAT_KERNEL_DS, 1, 0)), -XEN_EINVAL);               /* Xen's own segments */
    IS(put(&gdt[4], CALL_GATE(0xe000, 0, 0)), -XEN_EINVAL);
    IS(put(&gdt[4], CALL_GATE(9, 1, 0) & ~(8ull << 40)), -XEN_EINVAL);            /* of 16 bits */
    IS(put(&gdt[4], 0), 0);
}

static void local_table(void)
{
    unsigned long value;
    tap_section("LDT");
    for (int i = 0; i < 512; i++) ldt[i] = 0;
    ldt[1] = SMALL(data) | 1ull << 45;
    IS(remap(ldt, PTE_RO_FLAGS), 0);
    IS(TRAP_OF("movl $0xd, %%eax; movl %%eax, %%fs"), 13);
    IS(mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 2), 0);
    asm volatile("movl $0xd, %0; movl %0, %%fs; movl %%fs:0, %0" : "=&r"(value));
    IS(value, 0x5ec8e7);
    IS(remap(ldt, PTE_RW_FLAGS), -XEN_EBUSY);
    IS(TRAP_OF("movl $0x15, %%eax; movl %%eax, %%fs"), 13);
    IS(trap_caught.frame.error, 0x14);
    IS(put(&ldt[1], SMALL((unsigned long)data + 4092) | 1ull << 45), 0);
    asm volatile("movl $0xd, %0; movl %0, %%fs; movl %%fs:0, %0" : "=&r"(value));
    IS(value, 0x77);
    asm volatile("movl %0, %%fs" : : "r"(0));
    IS(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    IS(TRAP_OF("movl $0xd, %%eax; movl %%eax, %%fs"), 13);
    IS(remap(ldt, PTE_RW_FLAGS), 0);
}

static void four_gigabytes(void)
{
    unsigned long value;
    tap_section("vm_assist 4gb_segments");
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments), 0);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments_notify), 0);
    /* A flat segment that would end below Xen's part is made whole, so negative offsets work without a fault. */
    IS(put(&gdt[5], 0x00cf9200000067ffull), 0);
    IS(gdt[5] & 0xffff, 0xffff);
    IS(put(&gdt[6], 0x00cf92000000ffffull | BASE((unsigned long)data + 4)), 0);
    asm volatile("movl $0x31, %0; movl %0, %%fs; movl %%fs:-4, %0" : "=&r"(value));
    IS(value, 0x5ec8e7);
    asm volatile("movl %0, %%fs" : : "r"(0));
    IS(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_4gb_segments), 0);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_4gb_segments_notify), 0);
}

int main(void)
{
    global_table();
    call_gates();
    local_table();
    four_gigabytes();
    asm volatile("movl %0, %%fs" : : "r"(0));
    IS(HYPERVISOR_set_gdt(0, 0), 0);
    IS(remap(gdt, PTE_RW_FLAGS), 0);
    return tap_done();
}
