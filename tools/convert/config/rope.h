/* RoPE settings of a checkpoint. */
#ifndef CONVERT_CONFIG_ROPE_H
#define CONVERT_CONFIG_ROPE_H

#include "base/error.h"
#include "json/json.h"

#include <stdint.h>

enum rope_type {
	ROPE_PLAIN,
	ROPE_LINEAR,
	ROPE_LLAMA3,
	ROPE_YARN,
	ROPE_LONGROPE
};

struct rope {
	enum rope_type type;
	double theta;
	double local_theta; /* of layers with a window, which scale nothing; 0: there are none */
	uint64_t n_rot;     /* values of a head that rotate */
	double factor;      /* linear, llama3, YaRN */
	uint64_t original_context;
	double low_freq_factor, high_freq_factor; /* llama3 */
	double beta_fast, beta_slow;              /* YaRN */
	double attention_factor;                  /* YaRN, LongRoPE: on cosine and sine, all included */
	struct json_value short_factor;           /* LongRoPE: divisors for the original context, */
	struct json_value long_factor;            /* and for longer ones: arrays of n_rot / 2 numbers */
};

/* Reads config.json's settings, `root` being all of it: rope_scaling or rope_parameters, in either spelling. *rope is
 * zero-initialized. default_theta is the family's, and default_local_theta that of its layers with a window, 0 if it
 * has none; head_dim values are in a head, n_ctx tokens in the context. */
enum tern_status rope_read(struct rope *rope, struct json_value root, double default_theta, double default_local_theta,
                           uint64_t head_dim, uint64_t n_ctx, struct tern_error *err);

/* Divisors of the frequencies, [n_rot / 2] floats: as Llama 3 scales them, or one of LongRoPE's lists. */
void rope_llama3_divisors(const struct rope *rope, float *divisors);
void rope_longrope_divisors(struct json_value factors, float *divisors);

#endif
