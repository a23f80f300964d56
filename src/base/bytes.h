/* Bytes as numbers: little-endian loads at any address, half-precision floats, hexadecimal digits. */
#ifndef TERN_BASE_BYTES_H
#define TERN_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

/* The file formats are little-endian and so are all machines tern runs on; a big-endian port starts here. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tern supports little-endian machines only"
#endif

static inline uint16_t tern_load_u16(const void *at)
{
	uint16_t v;
	memcpy(&v, at, sizeof v);
	return v;
}
static inline uint32_t tern_load_u32(const void *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof v);
	return v;
}
static inline uint64_t tern_load_u64(const void *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof v);
	return v;
}
static inline float tern_load_f32(const void *at)
{
	float v;
	memcpy(&v, at, sizeof v);
	return v;
}

static inline float tern_f32_from_bits(uint32_t bits)
{
	float v;
	memcpy(&v, &bits, sizeof v);
	return v;
}
static inline uint32_t tern_bits_from_f32(float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static inline float tern_f32_from_bf16(uint16_t h) { return tern_f32_from_bits((uint32_t)h << 16); }

/* IEEE binary16 to binary32, exact for every input. */
static inline float tern_f32_from_f16(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t rest = (uint32_t)(h & 0x7fff) << 13;
	if (rest >= 0x7c00u << 13) /* infinity and NaN; a NaN becomes quiet, as with F16C and NEON instructions */
		return tern_f32_from_bits(sign | (rest + (112u << 23) + (112u << 23)) |
		                          (rest > 0x7c00u << 13 ? 1u << 22 : 0));
	if (rest >= 0x0400u << 13) /* normal: rebias the exponent from 15 to 127 */
		return tern_f32_from_bits(sign | (rest + (112u << 23)));
	/* subnormal or zero: the significand counts units of 2^-24 */
	return tern_f32_from_bits(sign | tern_bits_from_f32((float)(h & 0x3ff) * 0x1p-24f));
}

/* binary32 to binary16, rounding to nearest, ties to even; overflow gives infinity, NaN stays a quiet NaN. */
static inline uint16_t tern_f16_from_f32(float f)
{
	uint32_t bits = tern_bits_from_f32(f);
	uint32_t sign = (bits >> 16) & 0x8000, rest = bits & 0x7fffffff;
	if (rest > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | ((rest >> 13) & 0x3ff));
	if (rest >= 0x477ff000) /* 65520, halfway between the largest half and the next step */
		return (uint16_t)(sign | 0x7c00);
	if (rest < 0x38800000) { /* below 2^-14: subnormal; adding 0.5 lets the FPU round to units of 2^-24 */
		uint32_t rounded = tern_bits_from_f32(tern_f32_from_bits(rest) + 0.5f) - 0x3f000000;
		return (uint16_t)(sign | rounded);
	}
	rest += 0x0fff + ((rest >> 13) & 1);
	return (uint16_t)(sign | ((rest - (112u << 23)) >> 13));
}

/* The value of a hexadecimal digit, or -1. */
static inline int tern_hex_digit(char c)
{
	char lower = (char)(c | 0x20);
	return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
