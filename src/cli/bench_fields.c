/* A result as a record of named values: the names and their order are llama-bench's, so that what reads its records
 * reads these; what tern adds comes last. */
#include "cli/bench.h"

#include <math.h>

static struct bench_field text(const char *name, const char *value)
{
	return (struct bench_field){.name = name, .kind = BENCH_TEXT, .text = value};
}

static struct bench_field number(const char *name, int64_t value)
{
	return (struct bench_field){.name = name, .kind = BENCH_INT, .number = value};
}

static struct bench_field real(const char *name, double value)
{
	return (struct bench_field){.name = name, .kind = BENCH_REAL, .real = value};
}

static struct bench_field yes(const char *name, bool value)
{
	return (struct bench_field){.name = name, .kind = BENCH_BOOL, .number = value};
}

size_t bench_fields(struct bench_field fields[BENCH_MAX_FIELDS], const char *cpu, const struct bench_subject *subject,
                    const struct bench_result *result)
{
	const struct bench_test *test = &result->test;
	const char *kv = bench_kv_name(test->kv);
	/* Options of llama-bench that tern does not have appear with the values that say so. */
	const struct bench_field all[] = {
	        text("build_commit", TERN_VERSION),
	        number("build_number", 0),
	        text("cpu_info", cpu),
	        text("gpu_info", ""),
	        text("backends", "CPU"),
	        text("model_filename", subject->file),
	        text("model_type", subject->type),
	        number("model_size", (int64_t)subject->n_bytes),
	        number("model_n_params", (int64_t)subject->n_params),
	        number("n_batch", test->n_batch),
	        number("n_ubatch", test->n_batch),
	        number("n_threads", test->n_threads),
	        text("cpu_mask", "0x0"),
	        yes("cpu_strict", false),
	        number("poll", 50),
	        text("type_k", kv),
	        text("type_v", kv),
	        number("n_gpu_layers", 0),
	        text("split_mode", "layer"),
	        number("main_gpu", 0),
	        yes("no_kv_offload", false),
	        yes("flash_attn", true),
	        text("tensor_split", "0.00"),
	        yes("use_mmap", subject->use_mmap),
	        yes("embeddings", false),
	        number("n_prompt", test->n_prompt),
	        number("n_gen", test->n_gen),
	        number("n_depth", test->n_depth),
	        text("test_time", result->time),
	        number("avg_ns", (int64_t)(result->avg_ns + 0.5)),
	        number("stddev_ns", (int64_t)(result->stddev_ns + 0.5)),
	        real("avg_ts", result->avg_ts),
	        real("stddev_ts", result->stddev_ts),
	        text("isa", result->isa),
	        real("bytes_per_token", result->bytes_per_token),
	        real("limit_pct", result->limit_pct),
	        real("overhead_us", result->has_overhead ? result->overhead_us : (double)NAN),
	        real("read_bytes_per_second", result->read_rate),
	        real("macs_per_second", result->multiply_rate > 0 ? result->multiply_rate : (double)NAN),
	        real("head_second_pass_pct", result->head_second_pass_pct),
	};
	enum {
		N = sizeof all / sizeof *all
	};
	_Static_assert((int)N <= (int)BENCH_MAX_FIELDS, "room for all");

	for (size_t i = 0; i < N; i++)
		fields[i] = all[i];
	return N;
}
