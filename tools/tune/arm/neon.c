/* The float products of NEON: 24 sums of 4 floats in 32 registers. */
#include <arm_neon.h>

#define NAME         neon
#define ROWS         6
#define VECTORS      4
#define LANES        4
#define vector       float32x4_t
#define ZERO         vdupq_n_f32(0.0f)
#define LOAD(p)      vld1q_f32(p)
#define STORE(p, v)  vst1q_f32(p, v)
#define SPLAT(x)     vdupq_n_f32(x)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#include "tune/product_template.h"
