/* Transposes 4 x 4 floats with the vectors that every CPU of an architecture has:
 * to[p * to_stride + i] = from[i * from_stride + p]. */
#ifndef TUNE_TRANSPOSE_H
#define TUNE_TRANSPOSE_H

#include <stddef.h>

#if defined(__x86_64__)
#include <xmmintrin.h>

static inline void transpose_4x4(float *to, size_t to_stride, const float *from, size_t from_stride)
{
	__m128 v0 = _mm_loadu_ps(from), v1 = _mm_loadu_ps(from + from_stride);
	__m128 v2 = _mm_loadu_ps(from + 2 * from_stride), v3 = _mm_loadu_ps(from + 3 * from_stride);

	_MM_TRANSPOSE4_PS(v0, v1, v2, v3);
	_mm_storeu_ps(to, v0);
	_mm_storeu_ps(to + to_stride, v1);
	_mm_storeu_ps(to + 2 * to_stride, v2);
	_mm_storeu_ps(to + 3 * to_stride, v3);
}
#elif defined(__aarch64__)
#include <arm_neon.h>

static inline void transpose_4x4(float *to, size_t to_stride, const float *from, size_t from_stride)
{
	float32x4_t v0 = vld1q_f32(from), v1 = vld1q_f32(from + from_stride);
	float32x4_t v2 = vld1q_f32(from + 2 * from_stride), v3 = vld1q_f32(from + 3 * from_stride);
	float32x4x2_t even_odd01 = vtrnq_f32(v0, v1), even_odd23 = vtrnq_f32(v2, v3);

	for (size_t p = 0; p < 2; p++, to += to_stride) {
		vst1q_f32(to, vcombine_f32(vget_low_f32(even_odd01.val[p]), vget_low_f32(even_odd23.val[p])));
		vst1q_f32(to + 2 * to_stride,
		          vcombine_f32(vget_high_f32(even_odd01.val[p]), vget_high_f32(even_odd23.val[p])));
	}
}
#else
static inline void transpose_4x4(float *to, size_t to_stride, const float *from, size_t from_stride)
{
	for (size_t p = 0; p < 4; p++)
		for (size_t i = 0; i < 4; i++)
			to[p * to_stride + i] = from[i * from_stride + p];
}
#endif

#endif
