/* The state of a training run on disk: what is written is what is read, and a file that differs from it by one bit, is
 * cut off, or was written with another setting is refused with the reason, leaving network and moments as they were. */
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "convert/config/config.h"
#include "scratch.h"
#include "tune/state.h"

#include <math.h>
#include <string.h>

static const char config_json[] =
        "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_size\": 16, "
        "\"intermediate_size\": 16, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, "
        "\"vocab_size\": 16, \"max_position_embeddings\": 16, \"rms_norm_eps\": 1e-6, \"hidden_act\": \"silu\", "
        "\"tie_word_embeddings\": true}";

static struct network network;
static struct adamw adamw;
static struct tern_error err;

static void on_temp_file(void *user, const char *path)
{
	(void)user;
	(void)path;
}

static const struct listener listener = {.on_temp_file = on_temp_file};

static void check_damage(const char *what, const uint8_t *bytes, size_t n, const char *pattern)
{
	struct state state = {.settings = {{"number of steps", 10}}};
	float before = network.values[0];

	scratch_write(scratch_path(STATE_NAME), bytes, n);
	err.message[0] = '\0';
	CHECK(state_read(scratch_directory, &state, &network, &adamw, &err) && strstr(err.message, pattern),
	      "%s: '%s' has no '%s'", what, err.message, pattern);
	CHECK(state.step == 0 && network.values[0] == before, "%s: something was read", what);
}

static void check_state(void)
{
	struct state state = {.step = 7, .settings = {{"number of steps", 10}}},
	             other = {.settings = {{"number of steps", 11}}};
	float value = network.values[3];
	uint8_t *bytes;
	size_t n;

	CHECK(!state_write(scratch_directory, &state, &network, &adamw, &listener, &err), "%s", err.message);
	network.values[3] = 0;
	state.step = 0;
	CHECK(!state_read(scratch_directory, &state, &network, &adamw, &err), "%s", err.message);
	CHECK(state.step == 7 && adamw.n_steps == 7 && network.values[3] == value, "step %d", (int)state.step);
	CHECK(state_read(scratch_directory, &other, &network, &adamw, &err) && strstr(err.message, "number of steps"),
	      "%s", err.message);
	if (tern_read_file(scratch_path(STATE_NAME), 1 << 20, &bytes, &n, &err))
		exit(1);
	for (size_t at = 8; at < n; at += at < 40 ? 1 : 97) {
		bytes[at] ^= 1;
		check_damage("a bit", bytes, n, "is damaged");
		bytes[at] ^= 1;
	}
	for (size_t cut = 8; cut < n; cut += 131)
		check_damage("cut", bytes, cut, "is damaged");
	check_damage("cut by a parameter", bytes, n - 12, "is damaged");
	check_damage("empty", bytes, 0, "is not the state");
	bytes[7] = '1';
	check_damage("another format", bytes, n, "another version");
	tern_free(bytes);
}

static void check_finite(void)
{
	size_t last = network.n_floats - 1;

	CHECK(!network_check_finite(&network, &err), "%s", err.message);
	network.values[last] = NAN;
	CHECK(network_check_finite(&network, &err) && strstr(err.message, "model.norm.weight"), "%s", err.message);
	network.values[last] = INFINITY;
	CHECK(network_check_finite(&network, &err), "an infinite value");
}

int main(void)
{
	struct directory dir;
	struct config config = {0};

	scratch_begin();
	scratch_write(scratch_path("config.json"), config_json, strlen(config_json));
	bool ok = !directory_open(&dir, scratch_directory, &err) && !config_read(&config, &dir, false, &err) &&
	          !network_init(&network, &config, NULL, NORMS_EXTRA, 16, &err) &&
	          !network_randomize(&network, 1, &err) && !adamw_init(&adamw, &network, 0, 1, &err);
	CHECK(ok, "%s", err.message);
	if (ok) {
		check_state();
		check_finite();
	}
	adamw_free(&adamw);
	network_free(&network);
	config_free(&config);
	directory_close(&dir);
	scratch_end();
	return test_summary();
}
