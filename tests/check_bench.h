/* Times of the kernels at the shapes of real models, for check_kernels --bench. One thread. */
#ifndef TESTS_CHECK_BENCH_H
#define TESTS_CHECK_BENCH_H

#include "base/clock.h"
#include "base/memory.h"
#include "kernels/kernels.h"
#include "kernels/peak.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BENCH_MAX_COLS = 14336,
	BENCH_TOKENS = 128,
	BENCH_GROUP = 128,            /* columns */
	BENCH_POOL = 256 << 20,       /* bytes of weights, so that those of one call have left the caches by the next */
	BENCH_BATCH_ROWS = 128,       /* rows with many tokens: a chunk of the engine */
	BENCH_WARM_BYTES = 160 << 10, /* of weights that stay in the L2 cache, even of 256 KB */
};

/* One timed call: the kernels, their buffers and the amount of work. */
struct bench {
	const struct tern_kernels *kernels;
	uint8_t *pool;
	size_t pool_at;    /* weights are taken from here on; moves on with every call */
	size_t pool_bytes; /* to take them from */
	float *floats, *more_floats, *out;
	int8_t *q;
	int32_t *sums;
	uint16_t *halves;
	struct tern_activation *activations;
	size_t n_row, n_col, n_token;
	double n_byte, n_mac; /* of a call; the unit is GB/s of weights if n_byte, else GMAC/s if n_mac */
};

typedef void bench_call(struct bench *bench);

/* Seconds of the fastest of the calls that fit a tenth of a second, at least three. */
static double bench_seconds(bench_call *call, struct bench *bench)
{
	uint64_t best = UINT64_MAX, start = tern_clock_ns(), now = start;

	for (int i = 0; i < 3 || now - start < 100000000; i++) {
		uint64_t before = tern_clock_ns();
		call(bench);
		now = tern_clock_ns();
		best = now - before < best ? now - before : best;
	}
	return (double)best * 1e-9;
}

static const uint8_t *next_weights(struct bench *b, size_t n_byte)
{
	if (b->pool_at + n_byte > b->pool_bytes)
		b->pool_at = 0;
	b->pool_at += n_byte;
	return b->pool + b->pool_at - n_byte;
}

static const struct tern_streaming bench_streaming = {.n_stream = 1, .prefetch = 4096};

static void bench_plain_reads(struct bench *b)
{
	size_t n_byte = b->n_row * b->n_col;
	b->sums[0] = (int32_t)b->kernels->peak->read(next_weights(b, n_byte), n_byte, bench_streaming.n_stream,
	                                             bench_streaming.prefetch);
}

static void bench_panels(struct bench *b, tern_dot_panels *kernel, size_t bytes_per_16)
{
	size_t panel_bytes = b->n_col / 16 * bytes_per_16, n_panel = b->n_row / 16;
	kernel(b->sums, next_weights(b, n_panel * panel_bytes), panel_bytes, n_panel, b->q, b->n_col, b->n_token,
	       b->n_col, bench_streaming);
}

static void bench_dot_ternary(struct bench *b) { bench_panels(b, b->kernels->dot_ternary, 64); }
static void bench_dot_binary(struct bench *b) { bench_panels(b, b->kernels->dot_binary, 32); }
static void bench_dot_nibble(struct bench *b) { bench_panels(b, b->kernels->dot_nibble, 128); }

/* Activations with a scale for every 128 columns, as Maple's experts have them: each row of weights has one scale. */
static void bench_dot_groups(struct bench *b)
{
	size_t n_group = b->n_col / BENCH_GROUP, panel_bytes = b->n_col / 16 * 64, n_panel = b->n_row / 16;
	struct tern_groups groups = {.n_col = BENCH_GROUP,
	                             .scales = b->halves,
	                             .scales_stride = 16,
	                             .steps_per_scale = n_group,
	                             .x = b->activations,
	                             .x_inverse = b->more_floats,
	                             .x_stride = n_group,
	                             .steps_per_x = 1,
	                             .streaming = bench_streaming};

	b->kernels->dot_groups(b->out, next_weights(b, n_panel * panel_bytes), panel_bytes, n_panel, b->q, b->n_col,
	                       b->n_token, b->n_col, &groups);
}

static void bench_dot_f16(struct bench *b)
{
	for (size_t r = 0; r < b->n_row; r++)
		b->out[r] = b->kernels->dot_f16((const uint16_t *)(const void *)next_weights(b, 2 * b->n_col),
		                                b->floats, b->n_col);
}

static void bench_dot_bf16(struct bench *b)
{
	for (size_t r = 0; r < b->n_row; r++)
		b->out[r] = b->kernels->dot_bf16((const uint16_t *)(const void *)next_weights(b, 2 * b->n_col),
		                                 b->floats, b->n_col);
}

static void bench_dot_f32(struct bench *b)
{
	for (size_t r = 0; r < b->n_row; r++)
		b->out[r] = b->kernels->dot_f32((const float *)(const void *)next_weights(b, 4 * b->n_col), b->floats,
		                                b->n_col);
}

/* n_row rows, the router's, for n_token tokens. */
static void bench_dots_f32(struct bench *b)
{
	b->kernels->dots_f32(b->out, b->n_row, (const float *)(const void *)next_weights(b, 4 * b->n_row * b->n_col),
	                     b->n_row, b->floats, b->n_token, b->n_col);
}

static void bench_dots_bf16(struct bench *b)
{
	b->kernels->dots_bf16(b->out, b->n_row,
	                      (const uint16_t *)(const void *)next_weights(b, 2 * b->n_row * b->n_col), b->n_row,
	                      b->floats, b->n_token, b->n_col);
}

static void bench_dequantize_sums(struct bench *b) { b->kernels->dequantize_sums(b->out, b->sums, 1, 1.5f, b->n_col); }

static void bench_sum_squares(struct bench *b) { b->out[0] = b->kernels->sum_squares(b->floats, b->n_col); }

static void bench_rms_scale(struct bench *b)
{
	b->kernels->rms_scale(b->out, b->floats, b->more_floats, 1.5f, b->n_col);
}

static void bench_norm_quantize(struct bench *b)
{
	b->kernels->norm_quantize(b->q, b->floats, b->more_floats, 1.5f, b->n_col);
}

/* The gates work in place; a copy first keeps what they work on the same. */
static void bench_silu_mul(struct bench *b)
{
	memcpy(b->out, b->floats, b->n_col * sizeof *b->out);
	b->kernels->silu_mul(b->out, b->more_floats, b->n_col);
}

static void bench_relu2_mul(struct bench *b)
{
	memcpy(b->out, b->floats, b->n_col * sizeof *b->out);
	b->kernels->relu2_mul(b->out, b->more_floats, b->n_col);
}

static void bench_gelu_mul(struct bench *b)
{
	memcpy(b->out, b->floats, b->n_col * sizeof *b->out);
	b->kernels->gelu_mul(b->out, b->more_floats, b->n_col);
}

static void bench_clamped_silu_mul(struct bench *b)
{
	memcpy(b->out, b->floats, b->n_col * sizeof *b->out);
	b->kernels->clamped_silu_mul(b->out, b->more_floats, 7.0f, b->n_col);
}

static void bench_conv_silu(struct bench *b)
{
	const float *const x[4] = {b->floats, b->more_floats, b->floats, b->more_floats};
	b->kernels->conv_silu(b->out, x, b->floats, b->n_col / 4);
}

static void bench_hadamard(struct bench *b) { b->kernels->hadamard(b->out, b->floats, b->more_floats, b->n_col, 1024); }

/* 16 columns of a head with keys of n_col values. */
static void bench_delta_rule(struct bench *b)
{
	float decay[BENCH_TOKENS], beta[BENCH_TOKENS];
	struct tern_delta_rule rule = {.n_token = b->n_token,
	                               .n_key = b->n_col,
	                               .state = b->out,
	                               .q = b->floats,
	                               .k = b->floats + b->n_col,
	                               .v = b->more_floats,
	                               .decay = decay,
	                               .beta = beta,
	                               .out = b->out + 16 * b->n_col,
	                               .gate_stride = 1,
	                               .out_stride = 16};

	for (size_t i = 0; i < b->n_token; i++) {
		decay[i] = 0.9f;
		beta[i] = 0.0f;
	}
	for (size_t i = 0; i < 16 * b->n_col; i++)
		b->out[i] = 1.0f;
	b->kernels->delta_rule(&rule);
}

/* n_row queries, n_col values a head, n_token positions. */
static void bench_attention(struct bench *b, bool is_q8)
{
	size_t n_byte = (is_q8 ? 1 : 2) * b->n_token * b->n_col;
	float *max = b->out + b->n_row * b->n_col, *sum = max + b->n_row;
	struct tern_positions all = {0, b->n_token};
	struct tern_attention_block block = {.n_token = 1,
	                                     .n_query = b->n_row,
	                                     .seen = &all,
	                                     .head_dim = b->n_col,
	                                     .n_pos = b->n_token,
	                                     .scale = 0.088f,
	                                     .q = b->floats,
	                                     .k = next_weights(b, n_byte),
	                                     .v = next_weights(b, n_byte),
	                                     .out = b->out,
	                                     .max = max,
	                                     .sum = sum,
	                                     .scores = sum + b->n_row};

	block.k_scales = block.v_scales = is_q8 ? b->more_floats : NULL;
	(is_q8 ? b->kernels->attention_block_q8 : b->kernels->attention_block)(&block);
}

static void bench_attention_block(struct bench *b) { bench_attention(b, false); }
static void bench_attention_block_q8(struct bench *b) { bench_attention(b, true); }

struct bench_row {
	const char *name;
	bench_call *call;
	bool is_warm; /* the same weights in every call, at most BENCH_WARM_BYTES: what the instructions allow */
	size_t n_row, n_col, n_token;
	double n_byte, n_mac; /* per row, column and token */
};

/* Hidden sizes 2560 (BitNet 2B) and 4096 (8B models), feed-forward sizes 6912 and 14336, heads of 128. */
#define CALL(name) #name, bench_##name, false
#define WARM(name) #name, bench_##name, true
static const struct bench_row bench_rows[] = {
        {CALL(plain_reads), 1, 4 << 20, 1, 1, 0},
        {WARM(plain_reads), 1, BENCH_WARM_BYTES, 1, 1, 0},
        {CALL(dot_ternary), 2560, 2560, 1, 0.25, 0},
        {CALL(dot_ternary), 6912, 2560, 1, 0.25, 0},
        {CALL(dot_ternary), 2560, 6912, 1, 0.25, 0},
        {CALL(dot_ternary), 14336, 4096, 1, 0.25, 0},
        {CALL(dot_ternary), 4096, 14336, 1, 0.25, 0},
        {CALL(dot_ternary), BENCH_BATCH_ROWS, 2560, BENCH_TOKENS, 0, 1},
        {CALL(dot_ternary), BENCH_BATCH_ROWS, 6912, BENCH_TOKENS, 0, 1},
        {CALL(dot_ternary), BENCH_BATCH_ROWS, 14336, BENCH_TOKENS, 0, 1},
        {CALL(dot_binary), 14336, 4096, 1, 0.125, 0},
        {CALL(dot_binary), 4096, 14336, 1, 0.125, 0},
        {CALL(dot_binary), BENCH_BATCH_ROWS, 6912, BENCH_TOKENS, 0, 1},
        {CALL(dot_nibble), 32768, 2560, 1, 0.5, 0},
        {CALL(dot_nibble), 32768, 4096, 1, 0.5, 0},
        {CALL(dot_nibble), BENCH_BATCH_ROWS, 2560, BENCH_TOKENS, 0, 1},
        {WARM(dot_ternary), 256, 2560, 1, 0.25, 0},
        {WARM(dot_binary), 512, 2560, 1, 0.125, 0},
        {WARM(dot_nibble), 128, 2560, 1, 0.5, 0},
        {WARM(dot_ternary), 256, 2560, 2, 0, 1},
        {WARM(dot_ternary), 256, 2560, 3, 0, 1},
        {WARM(dot_ternary), 256, 2560, 4, 0, 1},
        {WARM(dot_ternary), 256, 2560, 5, 0, 1},
        {WARM(dot_ternary), 256, 2560, 6, 0, 1},
        {WARM(dot_ternary), 256, 2560, 7, 0, 1},
        {WARM(dot_ternary), 256, 2560, 8, 0, 1},
        {WARM(dot_ternary), 256, 2560, 10, 0, 1},
        {WARM(dot_ternary), 256, 2560, 12, 0, 1},
        {WARM(dot_ternary), 256, 2560, 13, 0, 1},
        {WARM(dot_ternary), 256, 2560, 14, 0, 1},
        {WARM(dot_ternary), 256, 2560, 16, 0, 1},
        {CALL(dot_groups), 512, 2048, 1, 0.25, 0},
        {CALL(dot_groups), 128, 2048, 8, 0, 1},
        {CALL(dot_groups), 128, 2048, 16, 0, 1},
        {CALL(dot_groups), 128, 2048, 32, 0, 1},
        {CALL(dot_groups), 128, 2048, 64, 0, 1},
        {CALL(dot_groups), 128, 2048, BENCH_TOKENS, 0, 1},
        {CALL(dot_f16), 4096, 2560, 1, 2, 0},
        {CALL(dot_bf16), 4096, 2560, 1, 2, 0},
        {CALL(dot_f32), 4096, 2560, 1, 4, 0},
        {CALL(dots_f32), 256, 2048, 1, 4, 0},
        {CALL(dots_bf16), 256, 2048, 1, 2, 0},
        {CALL(dots_f32), 16, 2048, 4, 0, 1},
        {CALL(dots_bf16), 16, 2048, 4, 0, 1},
        {CALL(dequantize_sums), 1, 128, 1, 8, 0},
        {CALL(sum_squares), 1, 2560, 1, 4, 0},
        {CALL(rms_scale), 1, 2560, 1, 12, 0},
        {CALL(norm_quantize), 1, 2560, 1, 9, 0},
        {CALL(norm_quantize), 1, 14336, 1, 9, 0},
        {CALL(silu_mul), 1, 6912, 1, 12, 0},
        {CALL(relu2_mul), 1, 6912, 1, 12, 0},
        {CALL(gelu_mul), 1, 6912, 1, 12, 0},
        {CALL(clamped_silu_mul), 1, 512, 1, 12, 0},
        {CALL(conv_silu), 1, 14336, 1, 6, 0},
        {CALL(hadamard), 1, 5120, 1, 12, 0},
        {CALL(delta_rule), 16, 128, 1, 0, 3},
        {CALL(delta_rule), 16, 128, BENCH_TOKENS, 0, 3},
        {CALL(attention_block), 1, 128, TERN_ATTENTION_BLOCK, 0, 2},
        {CALL(attention_block), 4, 128, TERN_ATTENTION_BLOCK, 0, 2},
        {CALL(attention_block), 7, 128, TERN_ATTENTION_BLOCK, 0, 2},
        {CALL(attention_block), 32, 128, TERN_ATTENTION_BLOCK, 0, 2},
        {CALL(attention_block_q8), 4, 128, TERN_ATTENTION_BLOCK, 0, 2},
        {CALL(attention_block_q8), 32, 128, TERN_ATTENTION_BLOCK, 0, 2},
};

/* Weights that are ordinary numbers as 2-bit codes, nibbles, f16 and bf16 alike. */
static int open_bench(struct bench *b)
{
	size_t n_sum = (size_t)BENCH_TOKENS * 32768;

	b->pool = tern_alloc_aligned(BENCH_POOL, 1);
	b->floats = tern_alloc(BENCH_MAX_COLS, sizeof *b->floats);
	b->more_floats = tern_alloc(BENCH_MAX_COLS, sizeof *b->more_floats);
	b->out = tern_alloc(1 << 20, sizeof *b->out);
	b->q = tern_alloc(BENCH_TOKENS * BENCH_MAX_COLS, 1);
	b->sums = tern_alloc(n_sum, sizeof *b->sums);
	b->halves = tern_alloc(BENCH_MAX_COLS, sizeof *b->halves);
	b->activations = tern_alloc(BENCH_MAX_COLS, sizeof *b->activations);
	if (!b->pool || !b->floats || !b->more_floats || !b->out || !b->q || !b->sums || !b->halves || !b->activations)
		return 0;
	for (size_t i = 0; i < BENCH_POOL; i++)
		b->pool[i] = (uint8_t)(i % 2 ? 0x30 | (i >> 1) % 8 : i * 37);
	for (size_t i = 0; i < BENCH_MAX_COLS; i++) {
		b->floats[i] = (float)(i % 61) * 0.1f - 3.0f;
		b->more_floats[i] = 1.0f + (float)(i % 7) * 0.1f;
		b->halves[i] = 0x3c00;
		b->activations[i] = (struct tern_activation){.scale = 1, .sum = 1};
	}
	for (size_t i = 0; i < (size_t)BENCH_TOKENS * BENCH_MAX_COLS; i++)
		b->q[i] = (int8_t)(i * 97);
	return 1;
}

static void close_bench(struct bench *b)
{
	tern_free(b->pool);
	tern_free(b->floats);
	tern_free(b->more_floats);
	tern_free(b->out);
	tern_free(b->q);
	tern_free(b->sums);
	tern_free(b->halves);
	tern_free(b->activations);
}

static double bench_row_speed(struct bench *b, const struct bench_row *row, const struct tern_kernels *kernels)
{
	double size = (double)row->n_row * (double)row->n_col * (double)row->n_token;

	b->kernels = kernels;
	b->pool_bytes = row->is_warm ? BENCH_WARM_BYTES : BENCH_POOL;
	b->n_row = row->n_row;
	b->n_col = row->n_col;
	b->n_token = row->n_token;
	return size * (row->n_byte > 0 ? row->n_byte : row->n_mac) / bench_seconds(row->call, b) * 1e-9;
}

/* Every usable table, or only the one named isa beside portable. */
static void bench_tables(const char *isa)
{
	struct bench bench = {0};

	if (open_bench(&bench)) {
		printf("\none thread; vectors warm, weights cold but where marked: in the L2 cache\n");
		for (size_t i = 0; i < sizeof bench_rows / sizeof *bench_rows; i++) {
			const struct bench_row *row = &bench_rows[i];
			const char *unit = row->n_byte > 0 ? "GB/s" : "GMAC/s";
			double portable_speed = bench_row_speed(&bench, row, &tern_kernels_portable);
			printf("%-18s %5zu x %5zu x %3zu %s %8.2f %-6s portable", row->name, row->n_row, row->n_col,
			       row->n_token, row->is_warm ? "L2" : "  ", portable_speed, unit);
			for (const struct tern_kernels *const *built = tern_kernels_built() + 1; *built; built++) {
				if (!tern_kernels_usable(*built) || (isa && strcmp(isa, (*built)->name)))
					continue;
				double speed = bench_row_speed(&bench, row, *built);
				printf(" %8.2f %s (%.1fx)", speed, (*built)->name, speed / portable_speed);
			}
			printf("\n");
			fflush(stdout);
		}
	} else {
		fprintf(stderr, "check_kernels: no memory for --bench\n");
	}
	close_bench(&bench);
}

#endif
