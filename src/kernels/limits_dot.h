/* The multiplying loop of limits.h for instruction sets with an int8 dot product. The including file defines
 *
 *     NAME, INSTRUCTION    as in struct tern_limits
 *     VECTOR_BYTES         of a register
 *     MACS                 multiply-adds of one instruction
 *     SUMS                 registers of sums: more than the latency of the instruction times how many a cycle starts
 *     sums_type, codes_type, x_type; ZERO, CODES, X    registers and what is put in them first
 *     DOT(sums, codes, x)  the instruction
 *     FIRST(sums)          the first sum as int32_t
 *     REGISTER             the constraint letter of inline assembly */
#include "kernels/limits_read.h"

enum {
	STEPS = 16,
};

/* The empty asm hides that the operands are the same every time, and costs nothing. */
static uint32_t multiply(size_t n_round)
{
	codes_type codes = CODES;
	x_type x = X;
	sums_type sums[SUMS];
	uint32_t result = 0;

	for (size_t s = 0; s < SUMS; s++)
		sums[s] = ZERO;
	for (size_t i = 0; i < n_round * STEPS; i++) {
		UNROLL
		for (size_t s = 0; s < SUMS; s++) {
			__asm__("" : "+" REGISTER(x));
			sums[s] = DOT(sums[s], codes, x);
		}
	}
	for (size_t s = 0; s < SUMS; s++)
		result += (uint32_t)FIRST(sums[s]);
	return result;
}

#define TABLE_OF(name)  tern_limits_##name
#define TABLE(name)     TABLE_OF(name)
#define STRING_OF(name) #name
#define STRING(name)    STRING_OF(name)

const struct tern_limits TABLE(NAME) = {
        .name = STRING(NAME),
        .instruction = INSTRUCTION,
        .read = read_bytes,
        .multiply = multiply,
        .macs_per_round = SUMS * STEPS * MACS,
};
