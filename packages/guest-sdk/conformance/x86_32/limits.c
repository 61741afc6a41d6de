/* What segments refuse at an access: limits, types, null selectors, in the kernel and in programs. */
#include "conformance.h"

static volatile uint64_t gdt[512] aligned_page;
static volatile uint32_t data[2048] aligned_page;
static uint8_t more_code[4096] aligned_page = { 0xcd, 0x80 };

/** A descriptor of type and DPL `type` (bits 40-47) with a limit in bytes. */
#define SEGMENT(type, base, limit)                                                                                     \
    (0x0040000000000000ull | (uint64_t)(type) << 40 | ((unsigned long)(base) & 0xffffffull) << 16 |                    \
     ((unsigned long)(base) >> 24 & 0xffull) << 56 | ((limit) & 0xffffull) | ((limit) & 0xf0000ull) << 32)
/** The same with a limit in pages. */
#define PAGES(type, limit) (SEGMENT(type, 0, limit) | 1ull << 55)
enum { DATA_1 = 0xb2, READ_ONLY_1 = 0xb0, DOWN_1 = 0xb6, CODE_1 = 0xba, DATA_3 = 0xf2, CODE_3 = 0xfa };

static long put(int entry, uint64_t descriptor)
{
    return HYPERVISOR_update_descriptor(virt_to_machine(&gdt[entry]), descriptor);
}

/** Loads FS with entry 1 and does that. */
#define BY_FS(instruction) TRAP_OF("movl $9, %%eax; movl %%eax, %%fs; xorl %%eax, %%eax; " instruction)
/** A refusal is #GP(0). */
#define REFUSED(instruction)                                                                                           \
    do {                                                                                                               \
        IS(BY_FS(instruction), 13);                                                                                    \
        IS(trap_caught.frame.error, 0);                                                                                \
    } while (0)
#define ALLOWED(instruction) IS(BY_FS(instruction), -1)

static void types_and_limits(void)
{
    tap_section("a limit of 4 KiB");
    IS(put(1, SEGMENT(DATA_1, data, 0xfff)), 0);
    ALLOWED("movl %%fs:4092, %%eax");
    REFUSED("movl %%fs:4093, %%eax");
    ALLOWED("movb %%fs:4095, %%al");
    REFUSED("movb %%fs:4096, %%al");
    ALLOWED("movl %%eax, %%fs:4092");
    REFUSED("incl %%fs:4093");
    REFUSED("movl %%fs:-4, %%eax");
    REFUSED("movups %%fs:4081, %%xmm0");
    ALLOWED("movups %%fs:4080, %%xmm0");
    ALLOWED(".byte 0x64; leal 5000, %%eax");
    tap_section("data that is only read");
    IS(put(1, SEGMENT(READ_ONLY_1, data, 0xfff)), 0);
    ALLOWED("cmpl %%eax, %%fs:0");
    REFUSED("movl %%eax, %%fs:0");
    REFUSED("addl %%eax, %%fs:0");
    tap_section("data that expands down");
    IS(put(1, SEGMENT(DOWN_1, data, 0xfff)), 0);
    ALLOWED("movl %%fs:4096, %%eax");
    REFUSED("movl %%fs:4095, %%eax");
    REFUSED("movl %%fs:0, %%eax");
    tap_section("code as data");
    IS(put(1, SEGMENT(CODE_1, data, 0xfff)), 0);
    ALLOWED("movl %%fs:4092, %%eax");
    REFUSED("movl %%eax, %%fs:4092");
    REFUSED("movl %%fs:4093, %%eax");
    REFUSED("movl %%eax, %%cs:data");
    tap_section("null selectors");
    IS(TRAP_OF("xorl %%eax, %%eax; movl %%eax, %%fs; movl %%fs:data, %%eax"), 13);
    IS(trap_caught.frame.error, 0);
    IS(TRAP_OF("xorl %%eax, %%eax; movl %%eax, %%ds; movl data, %%eax"), 13);
    IS(TRAP_OF("movl %%ss:data, %%eax"), -1);
}

static void strings(void)
{
    tap_section("REP stops in the middle");
    for (int i = 0; i < 2048; i++) data[i] = 0;
    IS(put(1, SEGMENT(DATA_1, data, 9)), 0);
    IS(TRAP_OF("movl $9, %%eax; movl %%eax, %%es; xorl %%edi, %%edi; movl $100, %%ecx; movl $0x77, %%eax; rep stosl"), 13);
    IS(trap_caught.frame.ecx, 98);
    IS(trap_caught.frame.edi, 8);
    IS(data[1], 0x77);
    IS(data[2], 0);
    IS(TRAP_OF("movl $9, %%eax; movl %%eax, %%ds; xorl %%esi, %%esi; movl $100, %%ecx; rep lodsb"), 13);
    IS(trap_caught.frame.ecx, 90);
    IS(trap_caught.frame.esi, 10);
}

#define CODE 0x20000000ul
#define DATA 0x20002000ul
extern const char program_text[], program_push[], program_pop[], program_push_word[], program_jump[], program_end[];
asm(".pushsection .text\n"
    "program_text:\n"
    "program_push: pushl %eax; int $0x80\n"
    "program_pop: popl %eax; int $0x80\n"
    "program_push_word: pushw %ax; int $0x80\n"
    "program_jump: jmp *%edi\n"
    "program_end:\n.popsection\n");
#define AT(label) (CODE + ((unsigned long)(label) - (unsigned long)program_text))

static uint8_t code[4096] aligned_page;
static struct user_state result;

static unsigned long go(unsigned long eip, unsigned long cs, unsigned long ss, unsigned long esp)
{
    struct trap_frame frame = { .eip = eip, .cs = cs, .ss = ss, .esp = esp, .eflags = 0x202, .eax = 0x12345678 };
    frame.edi = CODE + PAGE_SIZE;
    result.frame = frame;
    user_run(&result);
    return result.frame.vector;
}

static void programs(void)
{
    tap_section("the stack of a program");
    IS(put(2, SEGMENT(DATA_3, DATA, 0xff)), 0);
    data[63] = 0;
    IS(go(AT(program_push), FLAT_USER_CS, 0x13, 0x100), 0x80);
    IS(result.frame.esp, 0xfc);
    IS(data[63], 0x12345678);
    IS(go(AT(program_push), FLAT_USER_CS, 0x13, 0x101), 12);
    IS(result.frame.error, 0);
    IS(result.frame.esp, 0x101);
    IS(go(AT(program_push_word), FLAT_USER_CS, 0x13, 0x101), 12);
    IS(go(AT(program_push), FLAT_USER_CS, 0x13, 2), 12);
    IS(go(AT(program_pop), FLAT_USER_CS, 0x13, 0xfc), 0x80);
    IS(result.frame.eax, 0x12345678);
    IS(go(AT(program_pop), FLAT_USER_CS, 0x13, 0xfd), 12);
    tap_section("the code of a program");
    /* It ends with the program's page; the other page of it is mapped. */
    IS(put(3, PAGES(CODE_3, CODE >> 12)), 0);
    IS(go(AT(program_jump), 0x1b, FLAT_USER_SS, DATA + 0x800), 13);
    IS(result.frame.error, 0);
    IS(result.frame.eip, AT(program_jump));
    IS(result.frame.cs & 0xffff, 0x1b);
    IS(go(AT(program_jump), FLAT_USER_CS, FLAT_USER_SS, DATA + 0x800), 0x80);
    IS(go(CODE + PAGE_SIZE - 3, 0x1b, FLAT_USER_SS, DATA + 0x800), 13);
    IS(result.frame.eip, CODE + PAGE_SIZE - 3);
}

int main(void)
{
    unsigned long frames[1] = { virt_to_mfn(gdt) };
    IS(remap(gdt, PTE_RO_FLAGS), 0);
    IS(HYPERVISOR_set_gdt(frames, 512), 0);
    types_and_limits();
    strings();
    IS(user_init(), 0);
    memcpy(code, program_text, program_end - program_text);
    /* MOV of an immediate that reaches into the next page, and what lies there. */
    code[4093] = 0xb8, code[4094] = 1, code[4095] = 0;
    IS(user_map(CODE, code, P | A), 0);
    IS(user_map(CODE + PAGE_SIZE, more_code, P | A), 0);
    IS(user_map(DATA, data, P | RW | A | D), 0);
    programs();
    asm volatile("movl %0, %%fs" : : "r"(0));
    return tap_done();
}
