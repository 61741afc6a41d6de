/* Privileged instructions that Xen emulates for PV kernels, and segments of the guest's own tables. */
#include "conformance.h"

static volatile uint64_t gdt[512] aligned_page, ldt[512] aligned_page;
static volatile uint8_t bitmap[8192] aligned_page;

/* Descriptors, DPL 3: 64-bit code, data with a base, 32-bit code, not-present data, call gate. */
#define CODE64 0x00affa000000fffful
#define DATA(base) (0x00cff2000000fffful | ((base)&0xfffffful) << 16 | ((base) >> 24 & 0xfful) << 56)
#define CODE32 0x00cffa000000fffful
#define ABSENT 0x00cf72000000fffful

static uint64_t read_msr(uint32_t msr)
{
    uint32_t lo, hi;
    asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static void write_msr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void set_iopl(uint32_t level)
{
    struct physdev_set_iopl iopl = { .iopl = level };
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
}

static uint32_t in_long(uint16_t port)
{
    uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "d"(port));
    return value;
}

static void interrupts_and_ports(void)
{
    uint64_t wide;
    struct physdev_set_iobitmap map;
    tap_section("cli, sti, in, out");
    IS(TRAP_OF("cli"), 13);
    IS(trap_caught.frame.error, 0);
    IS(TRAP_OF("sti"), 13);
    IS(TRAP_OF("movl $0xcfc, %%edx; inl %%dx, %%eax"), 13);
    IS(TRAP_OF("outb %%al, $0x80"), 13);
    set_iopl(1);
    IS(TRAP_OF("cli; sti; cli"), -1);
    asm volatile("pushfq; popq %0" : "=r"(wide));
    IS(wide & 0x3200, 0x200);
    IS(in_long(0xcfc), 0xffffffff);
    asm volatile("movq $-1, %%rax; inb $0x71, %%al" : "=a"(wide));
    IS(wide, ~0ul);
    asm volatile("movabsq $0x1111111122222222, %%rax; inw %%dx, %%ax" : "=a"(wide) : "d"(0x300));
    IS(wide, 0x111111112222ffff);
    asm volatile("movabsq $0x1111111122222222, %%rax; inl %%dx, %%eax" : "=a"(wide) : "d"(0x300));
    IS(wide, 0xffffffff);
    IS(TRAP_OF("outb %%al, $0x80; movl $0xcf8, %%edx; outl %%eax, %%dx"), -1);
    /* INS and OUTS: memory is written and must be there. */
    volatile uint8_t *to = (volatile uint8_t *)gdt;
    uint64_t count = 300;
    asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(0x300) : "memory");
    IS(count, 0);
    IS(to - (volatile uint8_t *)gdt, 300);
    IS(((volatile uint8_t *)gdt)[299], 0xff);
    IS(TRAP_OF("movl $0x12345678, %%edi; movl $0x300, %%edx; insb"), 14);
    IS(trap_caught.cr2, 0x12345678);
    IS(trap_caught.frame.error, 2);
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
    IS(TRAP_OF("movl $0x304, %%edx; inb %%dx, %%al"), 13);
    IS(TRAP_OF("movl $0xffff, %%edx; inl %%dx, %%eax"), 13);
    IS(TRAP_OF("cli"), 13);
    set_xen_guest_handle(map.bitmap, (uint8_t *)UNMAPPED);
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &map), 0);
    IS(TRAP_OF("movl $0x300, %%edx; inl %%dx, %%eax"), 13);
    set_xen_guest_handle(map.bitmap, (uint8_t *)0);
    map.nr_ports = 0;
    IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &map), 0);
    tap_section("architectural IOPL");
    IS(HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0);
    IS(TRAP_OF("cli; sti"), -1);
    IS(TRAP_OF("ud2"), 6);
    IS(trap_caught.frame.rflags & 0x3000, 0);
    IS(HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
}

static void msrs(void)
{
    tap_section("rdmsr, wrmsr");
    write_msr(0xc0000100, 0x123456789a);
    IS(read_msr(0xc0000100), 0x123456789a);
    write_msr(0xc0000101, 0xffff900000000000);
    IS(read_msr(0xc0000101), 0xffff900000000000);
    write_msr(0xc0000102, 0x4242);
    IS(read_msr(0xc0000102), 0x4242);
    IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, 0x4343), 0);
    IS(read_msr(0xc0000102), 0x4343);
    IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, gdt), 0);
    IS(read_msr(0xc0000101), (uint64_t)gdt);
    gdt[5] = 0x5566;
    uint64_t value;
    asm volatile("movq %%gs:40, %0" : "=r"(value));
    IS(value, 0x5566);
    gdt[5] = 0;
    /* Not canonical (XSA-193). */
    IS(TRAP_OF("movl $0xc0000100, %%ecx; xorl %%eax, %%eax; movl $0x8000, %%edx; wrmsr"), 13);
    IS(TRAP_OF("movl $0xc0000101, %%ecx; xorl %%eax, %%eax; movl $0x8000, %%edx; wrmsr"), 13);
    IS(TRAP_OF("movl $0xc0000102, %%ecx; xorl %%eax, %%eax; movl $0x8000, %%edx; wrmsr"), 13);
    IS(trap_caught.frame.rdx, 0x8000);
    IS(read_msr(0xc0000080) & 0x501, 0x501);
    write_msr(0xc0000080, read_msr(0xc0000080));
    IS(TRAP_OF("movl $0xc0000080, %%ecx; rdmsr; xorl $0x800, %%eax; wrmsr"), 13);
    IS(read_msr(0x277), 0x50100070406);
    IS(TRAP_OF("movl $0x12345, %%ecx; rdmsr"), 13);
    IS(TRAP_OF("movl $0x12345, %%ecx; wrmsr"), 13);
    /* Without a #GP handler an unknown MSR reads 0. */
    IS(HYPERVISOR_set_trap_table(0), 0);
    IS(read_msr(0x12345), 0);
    traps_init();
    write_msr(0xc0000103, 0x77);
    uint32_t aux;
    asm volatile("rdtscp" : "=c"(aux) : : "eax", "edx");
    IS(aux, 0x77);
}

static void control_registers(void)
{
    uint64_t cr0, cr2, cr3, cr4, value;
    tap_section("control and debug registers");
    asm volatile("movq %%cr0, %0" : "=r"(cr0));
    asm volatile("movq %%cr3, %0" : "=r"(cr3));
    asm volatile("movq %%cr4, %0" : "=r"(cr4));
    IS(cr0 & 0x80010021, 0x80010021);
    IS(cr0 & 8, 0);
    IS(cr4 & 0x20, 0x20);
    IS(TRAP_OF("movq %0, %%cr0", "r"(cr0 & ~1ul)), 13);
    IS(TRAP_OF("movq %0, %%cr0", "r"(cr0 & ~(1ul << 16))), 13);
    IS(TRAP_OF("movq %0, %%cr0", "r"(cr0 | 1ul << 32)), 13);
    asm volatile("movq %0, %%cr0" : : "r"(cr0 | 8));
    asm volatile("movq %%cr0, %0" : "=r"(value));
    IS(value, cr0 | 8);
    asm volatile("clts; movq %%cr0, %0" : "=r"(value));
    IS(value, cr0);
    asm volatile("movq %1, %%cr2; movq %%cr2, %0" : "=r"(cr2) : "r"(0x123456789abul));
    IS(cr2, 0x123456789ab);
    asm volatile("movq %0, %%cr3" : : "r"(cr3) : "memory");
    IS(TRAP_OF("xorl %%eax, %%eax; movq %%rax, %%cr3"), 13);
    IS(TRAP_OF("movq %0, %%cr3", "r"(virt_to_machine(gdt))), 13);
    asm volatile("movq %%cr3, %0" : "=r"(value));
    IS(value, cr3);
    /* Bits of CR4 that a guest may not have are dropped. */
    asm volatile("movq %0, %%cr4" : : "r"(cr4 | 1 << 20 | 1 << 7));
    asm volatile("movq %%cr4, %0" : "=r"(value));
    IS(value, cr4);
    IS(TRAP_OF("movq %%cr8, %%rax"), 13);
    IS(TRAP_OF("movq %%cr1, %%rax") == 6 || trap_caught.frame.vector == 13, 1);
    asm volatile("movq %1, %%dr2; movq %%dr2, %0" : "=r"(value) : "r"(0x1000ul));
    IS(value, 0x1000);
    IS(TRAP_OF("movabsq $0xffff800000000000, %%rax; movq %%rax, %%dr2"), 13);
    IS(TRAP_OF("movl $0x2000, %%eax; movq %%rax, %%dr7"), 13);
    asm volatile("movq %%dr7, %0" : "=r"(value));
    IS(value, 0x400);
    asm volatile("movq %%dr5, %0" : "=r"(value));
    IS(value, 0x400);
    /* With CR4.DE there are no DR4 and DR5. */
    asm volatile("movq %0, %%cr4" : : "r"(cr4 | 8));
    IS(TRAP_OF("movq %%dr5, %%rax"), 6);
    IS(TRAP_OF("movq %%rax, %%dr4"), 6);
    asm volatile("movq %0, %%cr4" : : "r"(cr4));
}

static void others(void)
{
    uint32_t a, b, c, d, native;
    tap_section("cpuid");
    asm volatile("ud2; .ascii \"xen\"; cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x40000000));
    IS(a >= 0x40000002, 1);
    IS(b, 0x566e6558);
    IS(c, 0x65584d4d);
    IS(d, 0x4d4d566e);
    asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x40000000));
    IS(b, 0x566e6558);
    asm volatile("ud2; .ascii \"xen\"; cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    asm volatile("cpuid" : "=a"(native), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    IS(a, native);
    IS(d >> 26 & 1, 1);
    /* The prefix serves CPUID alone, and whole. */
    IS(TRAP_OF("ud2; .ascii \"xen\"; nop"), 6);
    IS(TRAP_OF("ud2; .ascii \"xem\"; cpuid"), 6);
    tap_section("not emulated");
    IS(TRAP_OF("hlt"), 13);
    IS(TRAP_OF("invlpg (%%rsp)"), 13);
    IS(TRAP_OF("lgdt (%%rsp)"), 13);
    IS(TRAP_OF("lidt (%%rsp)"), 13);
    IS(TRAP_OF("lldt %%ax"), 13);
    IS(TRAP_OF("ltr %%ax"), 13);
    IS(TRAP_OF("swapgs"), 13);
    IS(TRAP_OF("sysretq"), 13);
    IS(TRAP_OF("invd"), 13);
    IS(TRAP_OF("wbinvd"), -1);
    IS(TRAP_OF("rdtsc"), -1);
    tap_section("xsetbv, xgetbv");
    uint64_t cr4;
    asm volatile("movq %%cr4, %0" : "=r"(cr4));
    asm volatile("movq %0, %%cr4" : : "r"(cr4 | 1 << 18));
    IS(TRAP_OF("xorl %%ecx, %%ecx; xorl %%edx, %%edx; movl $3, %%eax; xsetbv"), -1);
    asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    IS(a, 3);
    IS(TRAP_OF("xorl %%ecx, %%ecx; xorl %%edx, %%edx; xorl %%eax, %%eax; xsetbv"), 13);
    IS(TRAP_OF("xorl %%ecx, %%ecx; movl $1, %%edx; movl $3, %%eax; xsetbv"), 13);
    IS(TRAP_OF("movl $1, %%ecx; xorl %%edx, %%edx; movl $3, %%eax; xsetbv"), 13);
}

#define LOAD_DS(selector) TRAP_OF("movl $" #selector ", %%ebx; movw %%bx, %%ds")
#define LOAD_SS(selector) TRAP_OF("movl $" #selector ", %%ebx; movw %%bx, %%ss")

static void segments(void)
{
    uint64_t frames[1], value;
    uint16_t selector, stack_selector;
    tap_section("segments of the guest's GDT");
    gdt[1] = CODE64;
    gdt[2] = DATA((uint64_t)ldt);
    gdt[3] = CODE32;
    gdt[4] = ABSENT;
    gdt[6] = 0x00cf92000000ffff; /* DPL 0: raised */
    gdt[7] = 0x00aff8000000ffff; /* code that may not be read */
    ldt[0] = 0x77;
    ldt[1] = DATA(0x1000ul);
    ldt[2] = CODE64;
    IS(remap(gdt, PTE_RO_FLAGS), 0);
    frames[0] = virt_to_mfn(gdt);
    IS(HYPERVISOR_set_gdt(frames, 512), 0);
    IS(LOAD_DS(0x13), -1);
    asm volatile("movw %%ds, %0" : "=r"(selector));
    IS(selector, 0x13);
    IS(LOAD_DS(0x10), -1);
    IS(LOAD_DS(0x33), -1);
    IS(LOAD_DS(0x0b), -1);
    IS(LOAD_DS(0x3b), 13);
    IS(trap_caught.frame.error, 0x38);
    IS(LOAD_DS(0x23), 11);
    IS(trap_caught.frame.error, 0x20);
    IS(LOAD_DS(0x2b), 13);
    IS(trap_caught.frame.error, 0x28);
    IS(LOAD_DS(0x1003), 13);
    IS(LOAD_DS(0xdfff), 13);
    IS(LOAD_DS(0xe02b), -1);
    IS(LOAD_DS(0xe008), 13);
    IS(LOAD_DS(0), -1);
    IS(LOAD_DS(3), -1);
    IS(LOAD_DS(7), 13);
    IS(LOAD_SS(0), 13);
    IS(LOAD_SS(0x13), -1);
    IS(LOAD_SS(0x23), 12);
    IS(trap_caught.frame.error, 0x20);
    IS(LOAD_SS(0xe02b), -1);
    /* FS with a base of 32 bits; a hypercall sets all 64; a load sets it back. */
    asm volatile("movl $0x13, %%ebx; movw %%bx, %%fs; movq %%fs:0, %0" : "=r"(value) : : "rbx");
    IS(value, 0x77);
    IS(HYPERVISOR_set_segment_base(SEGBASE_FS, &ldt[1]), 0);
    asm volatile("movq %%fs:0, %0" : "=r"(value));
    IS(value, ldt[1]);
    asm volatile("movw %%fs, %0" : "=r"(selector));
    IS(selector, 0x13);
    asm volatile("movl $0x13, %%ebx; movw %%bx, %%fs" : : : "rbx");
    IS(read_msr(0xc0000100), (uint64_t)ldt & 0xffffffff);
    asm volatile("pushq %%fs; popq %0; pushq $0; popq %%fs" : "=r"(value));
    IS(value, 0x13);
    /* The user's GS by selector. */
    IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0x10), 0);
    IS(read_msr(0xc0000102), (uint64_t)ldt & 0xffffffff);
    /* LAR, LSL, VERR, VERW. */
    uint8_t ok;
    asm volatile("movl $0x13, %%ebx; larl %%ebx, %%eax; setz %0; movl %%eax, %k1" : "=q"(ok), "=r"(value) : : "rax", "rbx", "cc");
    IS(ok, 1);
    IS(value & 0xff00, 0xf200 | (gdt[2] >> 32 & 0x100));
    asm volatile("movl $0x13, %%ebx; lsll %%ebx, %%eax; setz %0; movl %%eax, %k1" : "=q"(ok), "=r"(value) : : "rax", "rbx", "cc");
    IS(ok, 1);
    IS(value, 0xffffffff);
    asm volatile("movl $0x13, %%ebx; verr %%bx; setz %0" : "=q"(ok) : : "rbx", "cc");
    IS(ok, 1);
    asm volatile("movl $0x0b, %%ebx; verw %%bx; setz %0" : "=q"(ok) : : "rbx", "cc");
    IS(ok, 0);
    asm volatile("movl $0x1003, %%ebx; lsll %%ebx, %%eax; setz %0" : "=q"(ok) : : "rax", "rbx", "cc");
    IS(ok, 0);
    tap_section("far transfers");
    asm volatile("pushq $0x0b; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1: movw %%cs, %0" : "=r"(selector) : : "rax");
    IS(selector, 0x0b);
    /* A trap shows that selector, and its handler runs with Xen's own. */
    IS(TRAP_OF("pushq $0x0b; leaq 4f(%%rip), %%rax; pushq %%rax; lretq; 4: ud2"), 6);
    IS(trap_caught.frame.cs & 0xffff, 0x08);
    /* As after any hypercall. */
    HYPERVISOR_xen_version(XENVER_version, 0);
    asm volatile("movw %%cs, %0" : "=r"(selector));
    IS(selector, FLAT_KERNEL_CS);
    /* IRET to the guest's own segments and back. */
    asm volatile("movq %%rsp, %%rax; pushq $0x13; pushq %%rax; pushfq; pushq $0x0b; leaq 1f(%%rip), %%rax; pushq %%rax; iretq\n"
                 "1: movw %%cs, %0; movw %%ss, %1" : "=r"(selector), "=r"(stack_selector) : : "rax", "memory");
    IS(selector, 0x0b);
    IS(stack_selector, 0x13);
    HYPERVISOR_xen_version(XENVER_version, 0);
    asm volatile("movw %%ss, %0" : "=r"(selector));
    IS(selector, FLAT_KERNEL_SS);
    tap_section("compatibility mode");
    /* 32-bit code of the GDT: no REX, 32-bit registers; then back by a far jump. */
    asm volatile("movabsq $0x1111111122222222, %%rax\n"
                 "pushq $0x1b; leaq 1f(%%rip), %%rbx; pushq %%rbx; lretq\n"
                 ".code32\n1: incl %%eax; ljmp $0xe033, $2f\n.code64\n2: movq %%rax, %0" : "=r"(value) : : "rax", "rbx", "cc");
    IS(value & 0xffffffff, 0x22222223);
    /* A hypercall from 32-bit code of a 64-bit kernel is none. */
    IS(TRAP_OF("pushq $0xe023; leaq 4f(%%rip), %%rbx; pushq %%rbx; lretq\n.code32\n4: movl $17, %%eax; syscall\n.code64"), 6);
    IS(trap_caught.frame.cs & 0xffff, 0xe020);

    tap_section("segments of the LDT");
    IS(LOAD_DS(0x0f), 13);
    IS(mmuext(MMUEXT_SET_LDT, (uint64_t)ldt, 512), 0);
    /* The page is writable still: it is no descriptor table. */
    IS(LOAD_DS(0x0f) > 0, 1);
    ldt[0] = 0;
    IS(remap(ldt, PTE_RO_FLAGS), 0);
    IS(LOAD_DS(0x0f), -1);
    IS(remap(ldt, PTE_RW_FLAGS), -XEN_EBUSY);
    IS(LOAD_DS(0x07), 13);
    IS(LOAD_DS(0x100f), 13);
    IS(HYPERVISOR_update_descriptor(virt_to_machine(&ldt[7]), ABSENT), 0);
    IS(LOAD_DS(0x3f), 11);
    IS(trap_caught.frame.error, 0x3c);
    asm volatile("pushq $0x17; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1: movw %%cs, %0" : "=r"(selector) : : "rax");
    IS(selector, 0x17);
    HYPERVISOR_xen_version(XENVER_version, 0);
    /* Reloading CR3 lets the LDT's pages go, as does taking the LDT away. */
    uint64_t cr3;
    asm volatile("movq %%cr3, %0" : "=r"(cr3));
    IS(LOAD_DS(0x0f), -1);
    IS(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    IS(LOAD_DS(0x0f), 13);
    IS(remap(ldt, PTE_RW_FLAGS), 0);
    IS(LOAD_DS(0), -1);
    IS(HYPERVISOR_set_gdt(0, 0), 0);
    IS(remap(gdt, PTE_RW_FLAGS), 0);
    IS(LOAD_DS(0x13), 13);
}

int main(void)
{
    traps_init();
    interrupts_and_ports();
    msrs();
    control_registers();
    others();
    segments();
    return tap_done();
}
