/* Template: the float kernels except attention, with the 16 lanes of the definition (portable.c) in 16 / VECTOR_LANES
 * registers and every step in portable.c's order.
 *
 * Parameters, besides the types of vectors_template.h:
 *
 *     LOAD_F16(h)     VECTOR_LANES half floats from const uint16_t *h, any alignment, as vfloat
 *     LOAD_BF16(h)    the same of bfloat16
 *     STORE_F16(h, v) VECTOR_LANES floats, rounded to even, to uint16_t *h
 *     STORE_I8(q, i)  VECTOR_LANES integers of -128..127 in vuint i to int8_t *q
 *
 * Slots: estimate, dequantize_sums, sum_squares, rms_scale, norm_quantize, dot_f32, dot_f16, dot_bf16, dots_f32,
 * dots_bf16, to_f16, silu_mul, relu2_mul, gelu_mul, clamped_silu_mul, sigmoid_mul, conv_silu, hadamard, delta_rule. */
#if !defined(LOAD_F16) || !defined(LOAD_BF16) || !defined(STORE_F16) || !defined(STORE_I8)
#error "float_kernels_template.h: a parameter is not defined"
#endif

#include "base/cache.h"
#include "kernels/kernels.h"

#include <math.h>

/* ---- the head's estimates -------------------------------------------------------------------------------------- */

static void estimate(float *estimates, float *uppers, const int32_t *high, const float *row_scales, size_t n_panel,
                     float inverse, int32_t offset, int32_t bound)
{
	for (size_t p = 0; p < n_panel; p++) {
		vfloat upper = splat(-INFINITY);
		for (size_t row = p * LANES; row < (p + 1) * LANES; row += VECTOR_LANES) {
			vint middle = load_ints(high + row) * 16 + offset;
			vfloat factor = load(row_scales + row) * inverse;
			vfloat above = __builtin_convertvector(middle + bound, vfloat) * factor;
			vfloat below = __builtin_convertvector(middle - bound, vfloat) * factor;
			above = select(above > below, above, below);
			upper = select(above > upper, above, upper);
			store(estimates + row, __builtin_convertvector(middle, vfloat) * factor);
		}
		uppers[p] = largest_lane(upper);
	}
}

/* ---- the results of products ----------------------------------------------------------------------------------- */

static void dequantize_sums(float *out, const int32_t *sums, int32_t offset, float factor, size_t n)
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(out + i, __builtin_convertvector(load_ints(sums + i) - offset, vfloat) * factor);
	for (; i < n; i++)
		out[i] = (float)(sums[i] - offset) * factor;
}

/* ---- dot products ---------------------------------------------------------------------------------------------- */

enum element {
	ELEMENT_F32,
	ELEMENT_F16,
	ELEMENT_BF16,
};

INLINE vfloat load_element(const void *a, size_t i, enum element type)
{
	switch (type) {
	case ELEMENT_F16:
		return LOAD_F16((const uint16_t *)a + i);
	case ELEMENT_BF16:
		return LOAD_BF16((const uint16_t *)a + i);
	default:
		return load((const float *)a + i);
	}
}

INLINE size_t element_size(enum element type) { return type == ELEMENT_F32 ? sizeof(float) : sizeof(uint16_t); }

/* Missing lanes at the end add +0 * +0, which changes no sum: none is ever -0. */
INLINE float dot(const void *a, const float *x, size_t n, enum element type)
{
	vfloat sum[VECTORS] = {0};
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t v = 0; v < VECTORS; v++)
			sum[v] += load_element(a, i + v * VECTOR_LANES, type) * load(x + i + v * VECTOR_LANES);
	if (i < n) {
		size_t size = element_size(type);
		union {
			float f32[LANES];
			uint16_t b16[LANES];
		} rest_a = {{0}};
		float rest_x[LANES] = {0};
		memcpy(&rest_a, (const char *)a + i * size, (n - i) * size);
		memcpy(rest_x, x + i, (n - i) * sizeof *x);
		for (size_t v = 0; v < VECTORS; v++)
			sum[v] += load_element(&rest_a, v * VECTOR_LANES, type) * load(rest_x + v * VECTOR_LANES);
	}
	return tree_sum(sum);
}

static float dot_f32(const float *a, const float *x, size_t n) { return dot(a, x, n, ELEMENT_F32); }
static float dot_f16(const uint16_t *a, const float *x, size_t n) { return dot(a, x, n, ELEMENT_F16); }
static float dot_bf16(const uint16_t *a, const float *x, size_t n) { return dot(a, x, n, ELEMENT_BF16); }
static float sum_squares(const float *x, size_t n) { return dot(x, x, n, ELEMENT_F32); }

/* ---- rows times vectors ---------------------------------------------------------------------------------------- */

/* Rows and vectors whose sums are in registers at the same time: additions to different sums need not wait for each
 * other. */
enum {
	DOT_ROWS = VECTORS == 1 ? 4 : 2,
	DOT_TOKENS = VECTORS == 1 ? 4 : 2,
};

/* n_row and n_token are constants. One token's time goes into reading the rows, each of which is too short for the
 * prefetchers of the hardware: those that come next are prefetched. */
INLINE void dots_at_once(float *out, size_t out_stride, const void *rows, size_t first_row, size_t n_row,
                         const float *x, size_t n_token, size_t n, enum element type)
{
	vfloat sum[DOT_TOKENS][DOT_ROWS][VECTORS] = {0};
	const size_t size = element_size(type);
	const char *next = (const char *)rows + (first_row + n_row) * n * size;

	for (size_t i = 0; i < n; i += LANES) {
		for (size_t b = 0; n_token == 1 && b < n_row * LANES * size; b += TERN_CACHE_LINE)
			__builtin_prefetch(next + i * n_row * size + b);
		UNROLL
		for (size_t v = 0; v < VECTORS; v++) {
			vfloat a[DOT_ROWS];
			UNROLL
			for (size_t r = 0; r < n_row; r++)
				a[r] = load_element(rows, (first_row + r) * n + i + v * VECTOR_LANES, type);
			UNROLL
			for (size_t t = 0; t < n_token; t++) {
				vfloat xs = load(x + t * n + i + v * VECTOR_LANES);
				UNROLL
				for (size_t r = 0; r < n_row; r++)
					sum[t][r][v] += a[r] * xs;
			}
		}
	}
	for (size_t t = 0; t < n_token; t++)
		for (size_t r = 0; r < n_row; r++)
			out[t * out_stride + first_row + r] = tree_sum(sum[t][r]);
}

/* n_token is a constant. */
INLINE void dots_of_tokens(float *out, size_t out_stride, const void *rows, size_t n_row, const float *x,
                           size_t n_token, size_t n, enum element type)
{
	size_t r = 0;

	for (; r + DOT_ROWS <= n_row; r += DOT_ROWS)
		dots_at_once(out, out_stride, rows, r, DOT_ROWS, x, n_token, n, type);
	for (; r < n_row; r++)
		dots_at_once(out, out_stride, rows, r, 1, x, n_token, n, type);
}

INLINE void dots(float *out, size_t out_stride, const void *rows, size_t n_row, const float *x, size_t n_token,
                 size_t n, enum element type)
{
	size_t t = 0;

	for (; t + DOT_TOKENS <= n_token; t += DOT_TOKENS)
		dots_of_tokens(out + t * out_stride, out_stride, rows, n_row, x + t * n, DOT_TOKENS, n, type);
	for (; t + 2 <= n_token; t += 2)
		dots_of_tokens(out + t * out_stride, out_stride, rows, n_row, x + t * n, 2, n, type);
	if (t < n_token)
		dots_of_tokens(out + t * out_stride, out_stride, rows, n_row, x + t * n, 1, n, type);
}

static void dots_f32(float *out, size_t out_stride, const float *rows, size_t n_row, const float *x, size_t n_token,
                     size_t n)
{
	dots(out, out_stride, rows, n_row, x, n_token, n, ELEMENT_F32);
}

static void dots_bf16(float *out, size_t out_stride, const uint16_t *rows, size_t n_row, const float *x, size_t n_token,
                      size_t n)
{
	dots(out, out_stride, rows, n_row, x, n_token, n, ELEMENT_BF16);
}

/* ---- half floats ---------------------------------------------------------------------------------------------- */

static void to_f16(uint16_t *out, const float *x, size_t n)
{
	uint16_t rest[VECTOR_LANES];
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		STORE_F16(out + i, load(x + i));
	if (i < n) {
		STORE_F16(rest, load_first(x + i, n - i));
		memcpy(out + i, rest, (n - i) * sizeof *out);
	}
}

/* ---- normalizing and quantizing ---------------------------------------------------------------------------- */

/* (x * inv_rms) * gain from index i on; normed_rest() of the last n < VECTOR_LANES, then zeros. */
INLINE vfloat normed(const float *x, const float *gain, float inv_rms, size_t i)
{
	vfloat y = load(x + i) * inv_rms;
	return gain ? y * load(gain + i) : y;
}

INLINE vfloat normed_rest(const float *x, const float *gain, float inv_rms, size_t i, size_t n)
{
	vfloat y = load_first(x + i, n) * inv_rms;
	return gain ? y * load_first(gain + i, n) : y;
}

static void rms_scale(float *out, const float *x, const float *gain, float inv_rms, size_t n)
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(out + i, normed(x, gain, inv_rms, i));
	if (i < n)
		store_first(out + i, normed_rest(x, gain, inv_rms, i, n - i), n - i);
}

/* The larger magnitudes, as bits: without sign, floats order as integers do, infinities and NaNs last. */
INLINE vint larger_magnitude(vint bits, vfloat y)
{
	vint others = (vint)y & 0x7fffffff;
	vint more = others > bits;
	return (more & others) | (~more & bits);
}

INLINE uint32_t max_magnitude(const float *x, const float *gain, float inv_rms, size_t n)
{
	vint lanes[4] = {{0}}; /* several, as each step waits for the one before */
	int32_t max = 0;
	size_t i = 0;

	for (; i + 4 * VECTOR_LANES <= n; i += 4 * VECTOR_LANES) {
		UNROLL
		for (size_t k = 0; k < 4; k++)
			lanes[k] = larger_magnitude(lanes[k], normed(x, gain, inv_rms, i + k * VECTOR_LANES));
	}
	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		lanes[0] = larger_magnitude(lanes[0], normed(x, gain, inv_rms, i));
	if (i < n)
		lanes[1] = larger_magnitude(lanes[1], normed_rest(x, gain, inv_rms, i, n - i));
	lanes[0] = larger_magnitude(lanes[0], (vfloat)lanes[1]);
	lanes[2] = larger_magnitude(lanes[2], (vfloat)lanes[3]);
	lanes[0] = larger_magnitude(lanes[0], (vfloat)lanes[2]);
	for (size_t l = 0; l < VECTOR_LANES; l++)
		max = lanes[0][l] > max ? lanes[0][l] : max;
	return (uint32_t)max;
}

/* y * scale rounded to integers: 1.5 * 2^23 + y * scale has them in its low bits. */
INLINE vuint quantized(vfloat y, float scale)
{
	const float magic = 12582912.0f;
	return (vuint)(y * scale + magic) - tern_bits_from_f32(magic);
}

static struct tern_activation norm_quantize(int8_t *q, const float *x, const float *gain, float inv_rms, size_t n)
{
	struct tern_activation activation = {0};
	uint32_t max_bits = max_magnitude(x, gain, inv_rms, n);
	float max = tern_f32_from_bits(max_bits);
	vuint sum = {0};
	size_t i = 0;

	if (max_bits >= 0x7f800000) {
		memset(q, 0, n);
		activation.scale = NAN;
		return activation;
	}
	activation.scale = 127.0f / (max > 1e-5f ? max : 1e-5f);
	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES) {
		vuint integers = quantized(normed(x, gain, inv_rms, i), activation.scale);
		STORE_I8(q + i, integers);
		sum += integers;
	}
	if (i < n) {
		int8_t rest[VECTOR_LANES];
		vuint integers = quantized(normed_rest(x, gain, inv_rms, i, n - i), activation.scale);
		STORE_I8(rest, integers);
		memcpy(q + i, rest, n - i);
		sum += integers; /* 0 in lanes past the end */
	}
	for (size_t l = 0; l < VECTOR_LANES; l++)
		activation.sum += (int32_t)sum[l];
	return activation;
}

/* ---- gates ------------------------------------------------------------------------------------------------- */

INLINE vfloat silu(vfloat x) { return x / (exp_lanes(-x) + 1.0f); }

INLINE vfloat relu2(vfloat x)
{
	x = select(x < splat(0.0f), splat(0.0f), x); /* a NaN stays */
	return x * x;
}

INLINE vfloat gelu(vfloat x)
{
	vfloat u = (x + ((x * x) * x) * 0.044715f) * 0.79788456f;
	return x / (exp_lanes(u * -2.0f) + 1.0f);
}

INLINE void gate_mul(float *gate, const float *up, size_t n, vfloat (*function)(vfloat))
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(gate + i, function(load(gate + i)) * load(up + i));
	if (i < n)
		store_first(gate + i, function(load_first(gate + i, n - i)) * load_first(up + i, n - i), n - i);
}

static void silu_mul(float *gate, const float *up, size_t n) { gate_mul(gate, up, n, silu); }
static void relu2_mul(float *gate, const float *up, size_t n) { gate_mul(gate, up, n, relu2); }
static void gelu_mul(float *gate, const float *up, size_t n) { gate_mul(gate, up, n, gelu); }

/* min(x, limit); a NaN stays. */
INLINE vfloat limited(vfloat x, float limit) { return select(x > splat(limit), splat(limit), x); }

INLINE vfloat clamped_silu(vfloat gate, vfloat up, float limit)
{
	up = limited(up, limit);
	return silu(limited(gate, limit)) * select(up < splat(-limit), splat(-limit), up);
}

static void clamped_silu_mul(float *gate, const float *up, float limit, size_t n)
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(gate + i, clamped_silu(load(gate + i), load(up + i), limit));
	if (i < n)
		store_first(gate + i, clamped_silu(load_first(gate + i, n - i), load_first(up + i, n - i), limit),
		            n - i);
}

static void sigmoid_mul(float *gate, const float *x, size_t n)
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		store(gate + i, load(x + i) / (exp_lanes(-load(gate + i)) + 1.0f));
	if (i < n)
		store_first(gate + i, load_first(x + i, n - i) / (exp_lanes(-load_first(gate + i, n - i)) + 1.0f),
		            n - i);
}

/* ---- delta nets ---------------------------------------------------------------------------------------------- */

static void conv_silu(float *out, const float *const x[4], const float *taps, size_t n)
{
	size_t i = 0;

	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES) {
		vfloat y = load(x[0] + i) * load(taps + i) + load(x[1] + i) * load(taps + n + i);
		y = y + load(x[2] + i) * load(taps + 2 * n + i);
		store(out + i, silu(y + load(x[3] + i) * load(taps + 3 * n + i)));
	}
	if (i < n) {
		size_t rest = n - i;
		vfloat y = load_first(x[0] + i, rest) * load_first(taps + i, rest) +
		           load_first(x[1] + i, rest) * load_first(taps + n + i, rest);
		y = y + load_first(x[2] + i, rest) * load_first(taps + 2 * n + i, rest);
		y = y + load_first(x[3] + i, rest) * load_first(taps + 3 * n + i, rest);
		store_first(out + i, silu(y), rest);
	}
}

/* The steps within a register: lanes with `distance` in their number are subtracted. */
INLINE vfloat butterfly(vfloat v, int distance)
{
	vint minus = (vint)((vuint)(lane_numbers() & distance) * (0x80000000u / (uint32_t)distance));
	return exchange(v, distance) + (vfloat)((vint)v ^ minus);
}

/* The steps 1 to 8 of 16 values. */
INLINE void hadamard_16(float *out, const float *x, const float *signs)
{
	vfloat v[VECTORS];

	UNROLL
	for (size_t i = 0; i < VECTORS; i++) {
		v[i] = load(x + i * VECTOR_LANES);
		v[i] = signs ? v[i] * load(signs + i * VECTOR_LANES) : v[i];
		UNROLL
		for (int distance = 1; distance < VECTOR_LANES; distance *= 2)
			v[i] = butterfly(v[i], distance);
	}
	UNROLL
	for (size_t step = 1; step < VECTORS; step *= 2)
		UNROLL
	for (size_t i = 0; i < VECTORS; i++)
		if (!(i & step)) {
			vfloat a = v[i], b = v[i + step];
			v[i] = a + b;
			v[i + step] = a - b;
		}
	UNROLL
	for (size_t i = 0; i < VECTORS; i++)
		store(out + i * VECTOR_LANES, v[i]);
}

static void hadamard(float *out, const float *x, const float *signs, size_t n, size_t block)
{
	float factor = 1.0f / sqrtf((float)block);

	for (size_t b = 0; b < n; b += block) {
		float *y = out + b;
		for (size_t i = 0; i < block; i += LANES)
			hadamard_16(y + i, x + b + i, signs ? signs + b + i : NULL);
		for (size_t step = LANES; step < block; step *= 2)
			for (size_t i = 0; i < block; i += 2 * step)
				for (size_t k = i; k < i + step; k += VECTOR_LANES) {
					vfloat a = load(y + k), c = load(y + k + step);
					store(y + k, a + c);
					store(y + k + step, a - c);
				}
		for (size_t i = 0; i < block; i += VECTOR_LANES)
			store(y + i, load(y + i) * factor);
	}
}

/* One pass over the state a token: it is updated, and read by this token's query and by the next token's key. */
static void delta_rule(const struct tern_delta_rule *rule)
{
	vfloat p[VECTORS] = {0};

	for (size_t i = 0; i < rule->n_key; i++)
		for (size_t v = 0; v < VECTORS; v++)
			p[v] += load(rule->state + i * LANES + v * VECTOR_LANES) * rule->k[i];
	for (size_t t = 0; t < rule->n_token; t++) {
		const float *q = rule->q + t * rule->qkv_stride, *k = rule->k + t * rule->qkv_stride;
		const float *next = t + 1 < rule->n_token ? k + rule->qkv_stride : k;
		float decay = rule->decay[t * rule->gate_stride], beta = rule->beta[t * rule->gate_stride];
		vfloat d[VECTORS], out[VECTORS] = {0};
		for (size_t v = 0; v < VECTORS; v++) {
			vfloat value = load(rule->v + t * rule->qkv_stride + v * VECTOR_LANES);
			d[v] = (value - p[v] * decay) * beta;
			p[v] = splat(0.0f);
		}
		for (size_t i = 0; i < rule->n_key; i++) {
			float *s = rule->state + i * LANES;
			UNROLL
			for (size_t v = 0; v < VECTORS; v++) {
				vfloat updated = load(s + v * VECTOR_LANES) * decay + d[v] * k[i];
				store(s + v * VECTOR_LANES, updated);
				out[v] += updated * q[i];
				p[v] += updated * next[i];
			}
		}
		for (size_t v = 0; v < VECTORS; v++)
			store(rule->out + t * rule->out_stride + v * VECTOR_LANES, out[v]);
	}
}
