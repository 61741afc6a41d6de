/* Privileged instructions that Xen emulates for a kernel in ring 1. */
#include "conformance.h"

static volatile uint8_t bitmap[8192] aligned_page;

static void set_iopl(uint32_t level)
{
    struct physdev_set_iopl iopl = { .iopl = level };
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
}

static void interrupts_and_ports(void)
{
    struct physdev_set_iobitmap map;
    unsigned long value;
    tap_section("cli, sti, in, out");
    IS(TRAP_OF("cli"), 13);
    IS(trap_caught.frame.error, 0);
    IS(TRAP_OF("sti"), 13);
    IS(TRAP_OF("movl $0xcfc, %%edx; inl %%dx, %%eax"), 13);
    IS(TRAP_OF("outb %%al, $0x80"), 13);
    set_iopl(1);
    IS(TRAP_OF("cli; sti; cli"), -1);
    asm volatile("movl $0x300, %%edx; movl $0x11112222, %%eax; inw %%dx, %%ax" : "=a"(value) : : "edx");
    IS(value, 0x1111ffff);
    volatile uint8_t *to = bitmap;
    unsigned long count = 300;
    asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(0x300) : "memory");
    IS(count, 0);
    IS(to - bitmap, 300);
    IS(bitmap[299], 0xff);
    IS(TRAP_OF("movl $0x12345678, %%edi; movl $0x300, %%edx; insb"), 14);
    IS(trap_caught.cr2, 0x12345678);
    set_iopl(0);
    IS(TRAP_OF("cli"), 13);
    tap_section("I/O bitmap");
    for (int i = 0; i < 8192; i++) bitmap[i] = 0xff;
    bitmap[0x300 / 8] = 0xf0;
    set_xen_guest_handle(map.bitmap, (uint8_t *)bitmap);
    map.nr_ports = 65536;
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &map), 0);
    IS(TRAP_OF("movl $0x300, %%edx; inl %%dx, %%eax"), -1);
    IS(TRAP_OF("movl $0x301, %%edx; inl %%dx, %%eax"), 13);
    IS(TRAP_OF("movl $0x303, %%edx; inb %%dx, %%al"), -1);
    map.nr_ports = 0;
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &map), 0);
}

static void registers(void)
{
    unsigned long cr0, cr4, value;
    tap_section("control and debug registers");
    asm volatile("movl %%cr0, %0; movl %%cr4, %1" : "=r"(cr0), "=r"(cr4));
    IS(cr0 & 0x80010021, 0x80010021);
    IS(cr4 & 0x20, 0x20);
    IS(TRAP_OF("movl %0, %%cr0", "S"(cr0 & ~1ul)), 13);
    IS(TRAP_OF("movl %0, %%cr0", "S"(cr0 & ~(1ul << 31))), 13);
    asm volatile("movl %1, %%cr0; movl %%cr0, %0" : "=r"(value) : "r"(cr0 | 8));
    IS(value & 8, 8);
    asm volatile("clts; movl %%cr0, %0" : "=r"(value));
    IS(value & 8, 0);
    asm volatile("movl %1, %%cr2; movl %%cr2, %0" : "=r"(value) : "r"(0x4711));
    IS(value, 0x4711);
    asm volatile("movl %1, %%db1; movl %%db1, %0; movl %2, %%db1" : "=&r"(value) : "r"(0x1234), "r"(0));
    IS(value, 0x1234);
    tap_section("instructions that only ring 0 has");
    IS(TRAP_OF("hlt"), 13);
    IS(TRAP_OF("lgdt (%0)", "S"(bitmap)), 13);
    IS(TRAP_OF("lidt (%0)", "S"(bitmap)), 13);
    IS(TRAP_OF("lldt %%ax"), 13);
    IS(TRAP_OF("ltr %%ax"), 13);
    IS(TRAP_OF("wbinvd"), -1);
    IS(TRAP_OF("invlpg (%0)", "S"(bitmap)), 13);
    IS(TRAP_OF("invd"), 13);
}

static void identity(void)
{
    uint32_t a = 0x40000000, b, c, d;
    tap_section("cpuid, rdmsr");
    asm volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    IS(b, XEN_CPUID_SIGNATURE_EBX);
    IS(c, XEN_CPUID_SIGNATURE_ECX);
    IS(d, XEN_CPUID_SIGNATURE_EDX);
    a = 0x80000001;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    /* Long mode is not announced. */
    IS(d & 1u << 29, 0);
    a = 1;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    IS(d & 1u << 6, 1u << 6);
    IS(TRAP_OF("movl $0x12345, %%ecx; rdmsr"), 13);
    IS(TRAP_OF("movl $0x12345, %%ecx; wrmsr"), 13);
    IS(TRAP_OF(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"), -1);
    IS(TRAP_OF("movl $0xc0000080, %%ecx; rdmsr"), -1);
}

int main(void)
{
    interrupts_and_ports();
    registers();
    identity();
    return tap_done();
}
