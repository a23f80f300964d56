/* The limits of the dot product extension: sdot multiplies 16 codes and adds four products into each 32-bit sum. */
#if defined(__aarch64__)

#include <arm_neon.h>

#define NAME         dotprod
#define INSTRUCTION  "sdot"
#define VECTOR_BYTES 16
#define MACS         16
#define SUMS         16
#define sums_type    int32x4_t
#define codes_type   int8x16_t
#define x_type       int8x16_t
#define ZERO         vdupq_n_s32(0)
#define CODES        vdupq_n_s8(2)
#define X            vdupq_n_s8(3)
#define DOT(s, c, x) vdotq_s32(s, c, x)
#define FIRST(s)     vgetq_lane_s32(s, 0)
#define REGISTER     "w"
#include "kernels/limits_dot.h"

#endif
