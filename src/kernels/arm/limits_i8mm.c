/* The limits of the int8 matrix extension: usmmla multiplies 2 x 8 codes with 8 x 2 activations, 32 multiply-adds. */
#if defined(__aarch64__)

#include <arm_neon.h>

#define NAME         i8mm
#define INSTRUCTION  "usmmla"
#define VECTOR_BYTES 16
#define MACS         32
#define SUMS         16
#define sums_type    int32x4_t
#define codes_type   uint8x16_t
#define x_type       int8x16_t
#define ZERO         vdupq_n_s32(0)
#define CODES        vdupq_n_u8(2)
#define X            vdupq_n_s8(3)
#define DOT(s, c, x) vusmmlaq_s32(s, c, x)
#define FIRST(s)     vgetq_lane_s32(s, 0)
#define REGISTER     "w"
#include "kernels/limits_dot.h"

#endif
