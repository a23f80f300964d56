/* Template: everything that the instruction sets with vectors share, and their table. The file of an instruction set,
 * x86/NAME.c or arm/NAME.c, has one line in isa_list.h and three parts:
 *
 *     1. its parameters, the macros listed below,
 *     2. its functions, also listed below,
 *     3. at its end, #include "kernels/kernels_template.h".
 *
 * Parameters and functions may come from a header that related sets share. The heads of the templates explain them:
 *
 *     template                   parameters                                        functions
 *     -------------------------  ------------------------------------------------  -----------------------------------
 *     kernels_template.h         NAME: as in isa_list.h
 *     vectors_template.h         VECTOR_LANES (include it before the functions)
 *     float_kernels_template.h   LOAD_F16, LOAD_BF16, STORE_F16, STORE_I8
 *     attention_template.h       ATTENTION_SUMS, FMA, LOAD_F16, LOAD_I8
 *     dot_panels_template.h      TOKENS_AT_ONCE, PANELS_AT_ONCE, TERNARY_STRETCH,  sum_tiles(), multiply_stored(),
 *                                NIBBLE_STRETCH, UNPACK_TERNARY, UNPACK_NIBBLE,    multiply_unpacked()
 *                                UNPACK_BINARY, HAS_STORED
 *     dot_groups_template.h      LOAD_F16
 *     peak_multiply_template.h   PEAK_INSTRUCTION: for people; PEAK_SUMS,          peak_products(), peak_widen()
 *                                PEAK_STEPS, PEAK_WIDENS; PEAK_MACS: multiply-adds
 *                                of one instruction
 *
 * The values that are used. Others have not been tested:
 *
 *                  VECTOR_LANES  ATTENTION_SUMS  TOKENS_AT_ONCE  PANELS_AT_ONCE  HAS_STORED  PEAK_WIDENS
 *     avx2                    8               4               6               1            1            1
 *     avxvnni                 8               4               6               1            1            0
 *     avx512vnni             16              16               6               4            1            0
 *     neon                    4               4               3               1            0            1
 *     dotprod                 4               4               5               1            0            0
 *     i8mm                    4               4               6               4            0            0
 *
 * No slot can be NULL: the table is filled from TERN_KERNEL_SLOTS, so a set that lacks a function does not compile. To
 * write a set step by step, start with a copy of one that this CPU can run too. */
#if !defined(NAME) || !defined(PEAK_INSTRUCTION) || !defined(PEAK_MACS)
#error "kernels_template.h: a parameter is not defined"
#endif

#include "kernels/kernels.h"

/* This order: attention uses no float kernel, but dot_groups() calls dot_ternary(). */
#include "kernels/float_kernels_template.h"

#include "kernels/attention_template.h"

#include "kernels/dot_panels_template.h"

#include "kernels/dot_groups_template.h"

#define PEAK_READ_BYTES (4 * VECTOR_LANES)
#include "kernels/peak_read_template.h"

#include "kernels/peak_multiply_template.h"

static const struct tern_peak peak = {
        .instruction = PEAK_INSTRUCTION,
        .read = peak_read,
        .multiply = peak_multiply,
        .macs_per_round = PEAK_SUMS * PEAK_STEPS * PEAK_MACS,
};

#define TABLE_OF(name)  tern_kernels_##name
#define TABLE(name)     TABLE_OF(name)
#define STRING_OF(name) #name
#define STRING(name)    STRING_OF(name)
#define FILL(slot)      .slot = slot,

const struct tern_kernels TABLE(NAME) = {
        .name = STRING(NAME), .peak = &peak, .turn_tokens = HAS_STORED * TOKENS_AT_ONCE, TERN_KERNEL_SLOTS(FILL)};
